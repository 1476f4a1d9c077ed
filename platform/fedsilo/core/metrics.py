"""Names of what is recorded of a task's metrics, with column titles and how values are written.

With NAME the metric's own name (`core.task.Metric.name`), each over clients that have such images:

    local_NAME      mean over the clients that train, each on its own test share
    local_spread    standard deviation over clients of the headline metric
    worst_NAME      the worst of these clients
    NAME            over all test images, each judged by its own client's model
    neighbour_NAME  mean over clients on all other clients' test images
    global_NAME     mean over clients on all clients' test images
    unseen_NAME     mean over the clients that never train, each on its own test share
    new_NAME        mean over clients on classes that are not trained on, among these
    harmonic_NAME   harmonic mean of local and new
    validation_NAME mean over the clients that train, each on all validation images, where the data set has them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SPREAD = "local_spread"
LOCAL, WORST, POOLED, NEIGHBOUR, GLOBAL, UNSEEN, NEW, HARMONIC, VALIDATION = VIEWS = (
    "local_",
    "worst_",
    "",
    "neighbour_",
    "global_",
    "unseen_",
    "new_",
    "harmonic_",
    "validation_",
)
"""Prefixes of a metric's name, which say on whose images it is measured."""

SELECTED = "selected_"
"""Prefix of a recorded name: its value in the round with the best headline metric on validation images."""

_OF_ROUNDS = (
    *("round", "participants", "loss", "upload_bytes", "download_bytes", "exchanges", "dropped", "late", "offline"),
    *("staleness", "simulated_s", "clock_s", "epsilon", "shared_sha256", "seconds", "slowest", "attempts"),
)
_OF_CLIENTS = ("client", "examples")
_OF_RESULTS = ("method", "role", "rounds", "averaged_rounds", "best_round", "selected_round")
TAKEN = frozenset({*_OF_ROUNDS, *_OF_CLIENTS, *_OF_RESULTS})
"""Names of other numbers that are recorded beside metrics."""

TITLES = {
    LOCAL: "local",
    WORST: "worst",
    NEIGHBOUR: "neighbours",
    GLOBAL: "global",
    UNSEEN: "unseen",
    NEW: "new classes",
    HARMONIC: "harmonic",
}
"""Titles of the columns of the headline metric, by view."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that a task measures.

    Attributes:
        name: Its name in records and tables: a word without spaces.
        meaning: What it is, one line.
        ratio: Whether it is in [0, 1] and shown as per cent; shown as a number otherwise.
        higher: Whether more is better.
        title: Title of its column in tables; its name by default.
        column: Whether tables of runs show it; records and the page have all metrics.
    """

    name: str
    meaning: str = ""
    ratio: bool = True
    higher: bool = True
    title: str = ""
    column: bool = True

    @property
    def words(self) -> str:
        """Returns the name for sentences: with spaces, or the title where that is the name in other letters, as AUC."""
        return self.title if self.title.lower() == self.name else self.name.replace("_", " ")

    def shown(self, value: float | None) -> str:
        """Formats a value with its unit, for sentences.

        Args:
            value: The value, or None.

        Returns:
            For example "71.5 %"; a dash for None.
        """
        return "–" if value is None else self.written(value) + " %" * self.ratio

    def tick(self, value: float) -> str:
        """Formats a value for an axis.

        Args:
            value: The value.

        Returns:
            For example "70 %".
        """
        return f"{100 * value:.3g} %" if self.ratio else f"{value:.3g}"

    def difference(self, value: float) -> str:
        """Formats a difference of two values with its sign.

        Args:
            value: The difference.

        Returns:
            Percentage points, or a number.
        """
        return f"{100 * value:+.1f}" if self.ratio else f"{value:+.3g}"

    def written(self, value: float | None) -> str:
        """Formats a value for a column.

        Args:
            value: The value, or None.

        Returns:
            Per cent with one decimal, or a number; empty for None.
        """
        if value is None:
            return ""
        return f"{100 * float(value):.1f}" if self.ratio else f"{float(value):.4g}"


@dataclass(frozen=True, slots=True)
class Measures:
    """The numbers that are recorded of some metrics; the first metric is the headline.

    Attributes:
        metrics: The metrics.
    """

    metrics: tuple[Metric, ...]

    @property
    def headline(self) -> Metric:
        """Returns the metric that tables and charts show first."""
        return self.metrics[0]

    @property
    def local(self) -> str:
        """Returns the name of the headline metric's mean over clients, by which runs are compared."""
        return self.of(LOCAL)

    @property
    def best(self) -> str:
        """Returns the name of the best round's value, which is selected with the test set."""
        return f"best_{self.local}"

    @property
    def selected(self) -> str:
        """Returns the name of its value in the round with the best validation headline."""
        return SELECTED + self.local

    @property
    def first(self) -> str:
        """Returns the name of the first evaluated round's value."""
        return f"first_{self.local}"

    @property
    def unit(self) -> str:
        """Returns the headline metric for a title: "accuracy in %"."""
        return self.headline.words + " in %" * self.headline.ratio

    @property
    def names(self) -> tuple[str, ...]:
        """Returns all names, in the order of columns."""
        headline = (self.local, SPREAD, *(self.of(view) for view in VIEWS[1:]))
        return (*headline, *(view + metric.name for metric in self.metrics[1:] for view in VIEWS))

    @property
    def titles(self) -> Mapping[str, str]:
        """Returns the titles of columns by name: all views of the headline metric, and the local view of others."""
        headline = {self.of(view): title for view, title in TITLES.items()}
        first = {self.local: TITLES[LOCAL], SPREAD: "spread"}
        others = {LOCAL + metric.name: metric.title or metric.words for metric in self.metrics[1:] if metric.column}
        return {**first, **headline, **others}

    def of(self, view: str) -> str:
        """Names the headline metric in a view.

        Args:
            view: A prefix, one of `VIEWS`.

        Returns:
            The name in records.
        """
        return view + self.headline.name

    def metric(self, name: str) -> Metric:
        """Finds the metric that a recorded name belongs to.

        Args:
            name: A name in records.

        Returns:
            The metric; the headline where none fits.
        """
        return max(
            (metric for metric in self.metrics if name.endswith(metric.name)),
            key=lambda metric: len(metric.name),
            default=self.headline,
        )

    def written(self, name: str, value: Any) -> str:
        """Formats a recorded value for a column.

        Args:
            name: The value's name.
            value: The value, None or nan.

        Returns:
            The text; empty for None and nan.
        """
        return "" if value is None or value != value else self.metric(name).written(value)


def read_measures(result: Mapping[str, Any]) -> Measures:
    """Reads which metrics a result.json contains; a file of an earlier version names only its headline.

    Args:
        result: The document.

    Returns:
        The metrics.
    """
    listed: Iterable[Mapping[str, Any]] = result.get("metrics") or ()
    keys, later = ("name", "meaning", "ratio", "higher"), ("title", "column")
    metrics = tuple(
        Metric(**{key: each[key] for key in keys}, **{key: each[key] for key in later if key in each})
        for each in listed
    )
    return Measures(metrics or (Metric(str(result["headline"]["measure"]).removeprefix(LOCAL)),))
