"""The contract of tasks: what is predicted, the loss, and the metrics. One file each in `tasks/`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.batch import Candidates, Columns
from fedsilo.core.data import Component, LabelledImages
from fedsilo.core.metrics import TAKEN, Measures, Metric

if TYPE_CHECKING:
    from torch import Tensor

EXAMPLES = "examples"

Tally = Mapping[str, int | float | NDArray[Any]]
"""What was counted over some images, by name. Numbers of two tallies add up, arrays (n, ...) follow each other. Every
tally has "examples", the number of images. Whole numbers are recorded for each client."""


@dataclass(frozen=True, slots=True)
class CandidateEvidence:
    """What a task may ask before it says which candidates may be predicted.

    Attributes:
        encode: Names -> (n, D) features of the backbone's text tower, of length 1.
        validation: Scores (b, K) of the validation images by their hand-written prompts, and their (b,) labels, batch
            by batch; no batch without such images.
    """

    encode: Callable[[Sequence[str]], NDArray[np.float32]]
    validation: Iterable[tuple[Tensor, Tensor]]


class Task(Component, ABC):
    """What is predicted and how it is judged.

    Attributes:
        metrics: The metrics; tables and charts show the first one.
    """

    kind = "task"
    metrics: ClassVar[tuple[Metric, ...]]

    @property
    def measured(self) -> Measures:
        """Returns the names of what is recorded of the metrics."""
        return Measures(self.metrics)

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields, and names of metrics that cannot be recorded."""
        names = self.measured.names
        found = super().problems()
        found += [
            f"metric {metric.name!r}: a metric's name is lower-case letters, digits and '_'. Rename it."
            for metric in self.metrics
            if not re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
        ]
        found += [
            f"metrics: '{name}' would be recorded for two things. Rename the metric."
            for name in sorted(set(names))
            if name in TAKEN or names.count(name) > 1
        ]
        return found

    @abstractmethod
    def candidates(self, images: LabelledImages) -> Candidates:
        """Makes the candidates that scores are over.

        Args:
            images: The data set.

        Returns:
            K candidates.
        """

    def limit(self, among: Candidates, evidence: CandidateEvidence) -> tuple[Candidates, tuple[str, ...]]:
        """Limits which candidates may be predicted, once before the first round, for all methods of a run.

        Args:
            among: The candidates.
            evidence: What the decision may depend on.

        Returns:
            The candidates, and what the user should know, one line each; the same candidates by default.
        """
        return among, ()

    @abstractmethod
    def targets(self, labels: Tensor, among: Candidates) -> Columns:
        """Makes the columns that losses and tallies read.

        Args:
            labels: (b,) int64 labels of the data set.
            among: The candidates.

        Returns:
            Columns (b,) int64.
        """

    @abstractmethod
    def losses(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Computes the loss of each example.

        Args:
            scores: (b, K) scores.
            targets: Columns (b,) int64.
            among: The candidates.

        Returns:
            (b,) losses.
        """

    def loss(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Computes the mean loss, which training minimises.

        Args:
            scores: (b, K) scores.
            targets: Columns (b,) int64.
            among: The candidates.

        Returns:
            The loss, shape ().
        """
        return self.losses(scores, targets, among).mean()

    @abstractmethod
    def tally(self, scores: Tensor, targets: Columns, among: Candidates) -> Tally:
        """Counts what the metrics need.

        Args:
            scores: (b, K) scores on the CPU; b may be 0.
            targets: Columns (b,) int64 on the CPU.
            among: The candidates.

        Returns:
            Counts by name, "examples" among them.
        """

    @abstractmethod
    def measures(self, tally: Tally) -> Mapping[str, float]:
        """Computes the metrics from counts.

        Args:
            tally: Counts over at least one image.

        Returns:
            Metrics by name, and other numbers to record.
        """

    def curve(self, tally: Tally) -> Mapping[str, Any] | None:
        """Computes a curve of the images, for a picture.

        Args:
            tally: Counts over some images.

        Returns:
            "x" and "y", the names of both axes, "about", what it shows, "points", [x, y] of each point in [0, 1], and
            "best", the number of the point that is marked; None for a task without one.
        """
        return None

    def chance(self, among: Candidates) -> float:
        """Computes the headline metric of a random guess.

        Args:
            among: The candidates of a run.

        Returns:
            The metric's value.
        """
        return self.floor(among)[self.measured.headline.name]

    @abstractmethod
    def floor(self, among: Candidates) -> Mapping[str, float]:
        """Computes the metrics of a random guess.

        Args:
            among: The candidates.

        Returns:
            Metrics by name.
        """
