"""Batches as named columns, and the candidates that scores are over.

A learner reads some columns of the inputs; a task reads the targets. Which columns there are follows from what the
learner asks for (`Learner.reads`) and from the task.

Dimensions: b images, M patches, D joint width, T tokens of the image tower, W width of the image tower, K candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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


def hidden(block: int) -> str:
    """Returns the column of the activations (b, T, W) that enter block `block` of the image tower, from 0."""
    return f"{HIDDEN}{block}"


def block_of(column: str) -> int | None:
    """Returns the block that `hidden` made a column of; None for another column."""
    return int(column.removeprefix(HIDDEN)) if column.startswith(HIDDEN) else None


def group_encoded_columns(columns: Iterable[str]) -> list[tuple[str, ...]]:
    """Returns the columns that the image tower is needed for, in groups that are encoded and kept together.

    The pooled feature comes with the patch tokens; activations of each block are a group of their own.
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
        """Returns some of the examples as a batch."""
        return Batch(
            {name: column[rows] for name, column in self.inputs.items()},
            {name: column[rows] for name, column in self.targets.items()},
        )

    def singles(self) -> Iterator[Batch]:
        """Yields the examples as batches of one."""
        return (self.take(slice(row, row + 1)) for row in range(len(self)))


@dataclass(frozen=True, eq=False, slots=True)
class Candidates:
    """What scores (b, K) are over.

    Attributes:
        texts: (K,) the words of each candidate, as they are written into a prompt.
        parts: What each candidate is made of, by name, (K,) int64 each: "class"; or "attribute" and "object".
        seen: (K,) bool, whether it is trained on.
    """

    texts: tuple[str, ...]
    parts: Mapping[str, NDArray[np.int64]]
    seen: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.texts)


def named(classes: tuple[str, ...]) -> Candidates:
    """Returns the candidates of classification: each class is one, by its name, and is trained on."""
    return Candidates(classes, {CLASS: np.arange(len(classes))}, np.ones(len(classes), dtype=bool))
