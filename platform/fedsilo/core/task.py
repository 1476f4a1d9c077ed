"""Tasks: what is predicted, what the loss is, and what is measured. One file each in `tasks/`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.batch import Candidates, Columns, named
from fedsilo.core.data import Component, LabelledImages
from fedsilo.core.metrics import TAKEN, Measures, Metric

if TYPE_CHECKING:
    from torch import Tensor

EXAMPLES = "examples"

Tally = Mapping[str, int | float | NDArray[Any]]
"""What was counted over some images, by name. Numbers of two tallies add up, arrays (n, ...) follow each other. Every
tally has "examples", the number of images. Whole numbers are recorded for each client."""


class Task(Component, ABC):
    """What is predicted and how it is judged.

    Attributes:
        metrics: What is measured; the first one is the headline of every table and chart.
    """

    kind = "task"
    metrics: ClassVar[tuple[Metric, ...]]

    @property
    def measured(self) -> Measures:
        """Returns the names of what is recorded of the metrics."""
        return Measures(self.metrics)

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields, and names of metrics under which nothing can be recorded."""
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
        """Returns what scores are over, for a data set."""

    @abstractmethod
    def targets(self, labels: Tensor, among: Candidates) -> Columns:
        """Returns the columns that losses and tallies read, (b,) int64 each, from labels (b,) int64 of the data set."""

    @abstractmethod
    def losses(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Returns the loss (b,) of each example under scores (b, K)."""

    def loss(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Returns the mean loss, shape (), that training steps along."""
        return self.losses(scores, targets, among).mean()

    @abstractmethod
    def tally(self, scores: Tensor, targets: Columns, among: Candidates) -> Tally:
        """Returns what is counted of scores (b, K); all on the CPU. b may be 0."""

    @abstractmethod
    def measures(self, tally: Tally) -> Mapping[str, float]:
        """Returns the metrics by name, and other numbers worth recording, of a tally of at least one image."""

    def chance(self, classes: Sequence[str]) -> float:
        """Returns the headline metric of guessing among the classes of a manifest."""
        return self.floor(named(tuple(classes)))[self.measured.headline.name]

    @abstractmethod
    def floor(self, among: Candidates) -> Mapping[str, float]:
        """Returns the metrics of guessing by chance, by name."""


def total(tallies: Sequence[Tally]) -> Tally:
    """Returns the tally of several parts together.

    Args:
        tallies: At least one, all of the same task; the order decides in which order numbers are added.
    """
    return reduce(_joined, tallies)


def _joined(one: Tally, other: Tally) -> Tally:
    return {
        name: np.concatenate([value, other[name]]) if isinstance(value, np.ndarray) else value + other[name]
        for name, value in one.items()
    }
