"""Pixels of a split, handed out by the batch as the image tower would take them; for learners that train from there.

Images are read, altered and prepared where the batch is used, so no process holds them all. A view of an image has the
pixels that features of the same view are computed from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fedsilo.core import Examples, Indices
from fedsilo.core.batch import PIXELS
from fedsilo.models.clip.views import Preprocessing

ROOM = 128 * 2**20
"""Bytes of decoded images that a process keeps of a split. What comes when they are full is decoded at every use."""


class Decoded:
    """Images that were decoded before, as bytes; sent to another process, it arrives empty."""

    def __init__(self, room: int = ROOM) -> None:
        """Holds nothing yet, and never more than `room` bytes."""
        self._room = room
        self._held: dict[int, NDArray[np.uint8]] = {}

    def fetch(self, examples: Examples, i: int) -> Image.Image:
        """Returns image i of a split, always the same one, in RGB."""
        if i in self._held:
            return Image.fromarray(self._held[i])
        image = examples.fetch(i)
        pixels = np.asarray(image)
        if pixels.nbytes <= self._room:
            self._room -= pixels.nbytes
            self._held[i] = pixels
        return image

    def __reduce__(self) -> tuple[type[Decoded], tuple[()]]:
        return Decoded, ()


@dataclass(frozen=True, eq=False, slots=True)
class Pixels:
    """The images of a split as tensors, made when they are asked for.

    Attributes:
        preprocessing: How an image becomes a tensor.
        examples: The images.
        seed: What random views are drawn from.
    """

    preprocessing: Preprocessing
    examples: Examples
    seed: int
    _decoded: Decoded = field(default_factory=Decoded, repr=False)

    def __len__(self) -> int:
        return len(self.examples)

    def name(self, i: int) -> str:
        """Returns how messages name image i."""
        return self.examples.name(i)

    def batch(self, indices: Indices, view: int) -> dict[str, Tensor]:
        """Returns the column "pixels", (b, 3, H, W) float32, of any number of images in one view.

        Raises:
            DataError: An image cannot be read.
        """
        seen = [self._view(i, view) for i in indices.tolist()]
        return {PIXELS: torch.stack(seen) if seen else torch.zeros(0, 3, *self._size)}

    def on(self, device: str) -> Pixels:
        """Returns itself: nothing is encoded."""
        return self

    def only(self, columns: Collection[str]) -> Pixels:
        """Returns itself: there is one column."""
        return self

    @property
    def _size(self) -> tuple[int, int]:
        return self.preprocessing.height, self.preprocessing.width

    def _view(self, i: int, view: int) -> Tensor:
        image = self._decoded.fetch(self.examples, i)
        return self.preprocessing.view(image, view, self.examples.digests[i], self.seed)
