"""Batches as named columns, and the candidates that scores are over.

A learner reads some columns of the inputs; a task reads the targets. Which columns there are follows from what the
learner asks for (`Learner.reads`) and from the task.

Dimensions: b images, M patches, D joint width, T tokens of the image tower, W width of the image tower, K candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Columns = Mapping[str, "Tensor"]
"""Tensors by name, with the same number of rows."""

IMAGE, PATCHES, PIXELS, HIDDEN = "image", "patches", "pixels", "hidden."
"""Columns of inputs: pooled image features (b, D); patch tokens (b, M, D); normalised pixels (b, 3, H, W); and, with
the number of a block behind it, the activations (b, T, W) that enter that block of the image tower."""

CLASS = "class"
"""The target of classification, (b,) int64 in [0, K)."""

ATTRIBUTE, OBJECT = "attribute", "object"
"""The parts of a composition, (b,) or (K,) int64: numbers of an attribute and of an object."""


def hidden(block: int) -> str:
    """Names the column of the activations (b, T, W) that enter a block of the image tower.

    Args:
        block: Number of the block, from 0.

    Returns:
        The column's name.
    """
    return f"{HIDDEN}{block}"


def block_of(column: str) -> int | None:
    """Reads the number of the block from a column's name; the inverse of `hidden`.

    Args:
        column: A column's name.

    Returns:
        The number; None for a column of another kind.
    """
    return int(column.removeprefix(HIDDEN)) if column.startswith(HIDDEN) else None


def group_encoded_columns(columns: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups the columns that the image tower computes; the columns of a group are encoded and cached together.

    Args:
        columns: Names of columns.

    Returns:
        The groups: the pooled feature comes with the patch tokens; the activations of each block are a group of their
        own.
    """
    wanted = set(columns)
    features = [(IMAGE, PATCHES)] if PATCHES in wanted else [(IMAGE,)] if IMAGE in wanted else []
    return [*features, *((column,) for column in sorted(wanted) if block_of(column) is not None)]


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """The examples of one step.

    Attributes:
        inputs: What the learner reads, each (b, ...).
        targets: What the task reads, each (b,) int64.
    """

    inputs: Columns
    targets: Columns

    def __len__(self) -> int:
        return len(next(iter(self.targets.values())))

    def take(self, rows: slice) -> Batch:
        """Takes some of the examples.

        Args:
            rows: Which rows.

        Returns:
            A batch of views of these rows.
        """
        return Batch(
            {name: column[rows] for name, column in self.inputs.items()},
            {name: column[rows] for name, column in self.targets.items()},
        )

    def singles(self) -> Iterator[Batch]:
        """Yields each example as a batch of one."""
        return (self.take(slice(row, row + 1)) for row in range(len(self)))


@dataclass(frozen=True, eq=False, slots=True)
class Candidates:
    """The candidates that scores (b, K) are over.

    Attributes:
        texts: (K,) the words of each candidate, as a prompt contains them.
        parts: The parts of each candidate by name, (K,) int64 each: "class"; or "attribute" and "object".
        seen: (K,) bool, whether the candidate is trained on; the first ones are.
        words: The names of the values of each part, where a candidate is composed of parts: all attributes, all
            objects.
        allowed: (K,) bool, whether a candidate may be predicted; None: each may. In training all may.
        allowed_in_validation: (K,) bool, the same for validation images; None: as `allowed`.
        own: (K,) bool, whether the client that is measured trained on it; None where this is not known.
    """

    texts: tuple[str, ...]
    parts: Mapping[str, NDArray[np.int64]]
    seen: NDArray[np.bool_]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allowed: NDArray[np.bool_] | None = None
    allowed_in_validation: NDArray[np.bool_] | None = None
    own: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def seen_only(self) -> Candidates:
        """Selects the candidates that are trained on.

        Returns:
            The first S candidates, all of which may be predicted; the parts keep all their words.
        """
        seen = int(self.seen.sum())
        parts = {name: values[:seen] for name, values in self.parts.items()}
        return Candidates(self.texts[:seen], parts, self.seen[:seen], self.words)

    def in_validation(self) -> Candidates:
        """Returns the candidates with those allowed that may be predicted for validation images."""
        mask = self.allowed_in_validation
        return self if mask is None else replace(self, allowed=mask)

    def trained_by(self, labels: NDArray[np.int64]) -> Candidates:
        """Marks the candidates that a client trained on.

        Args:
            labels: (n,) labels of its training images.

        Returns:
            The candidates with `own`.
        """
        own = np.zeros(len(self), dtype=bool)
        own[labels] = True
        return replace(self, own=own)


def named(classes: tuple[str, ...]) -> Candidates:
    """Makes the candidates of classification: each class is one candidate, and all are trained on.

    Args:
        classes: Names of the K classes, in label order.

    Returns:
        K candidates.
    """
    return Candidates(classes, {CLASS: np.arange(len(classes))}, np.ones(len(classes), dtype=bool))
