"""Pixels of a split by the batch, as the image tower takes them: for learners that train on pixels.

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
"""Bytes of decoded images that a process keeps of a split; images beyond are decoded at every use."""


class DecodedImages:
    """Decoded images, kept as bytes up to a limit; a pickled copy is empty."""

    def __init__(self, room: int = ROOM) -> None:
        """Starts empty.

        Args:
            room: Bytes that may be held.
        """
        self._room = room
        self._held: dict[int, NDArray[np.uint8]] = {}

    def fetch(self, examples: Examples, i: int) -> Image.Image:
        """Returns an image, decoded once where there is room.

        Args:
            examples: The images of a split, always the same split.
            i: Number of the image.

        Returns:
            The image in RGB.
        """
        if i in self._held:
            return Image.fromarray(self._held[i])
        image = examples.fetch(i)
        pixels = np.asarray(image)
        if pixels.nbytes <= self._room:
            self._room -= pixels.nbytes
            self._held[i] = pixels
        return image

    def __reduce__(self) -> tuple[type[DecodedImages], tuple[()]]:
        return DecodedImages, ()


@dataclass(frozen=True, eq=False, slots=True)
class Pixels:
    """The images of a split as tensors, computed on demand.

    Attributes:
        preprocessing: How an image becomes a tensor.
        examples: The images.
        seed: Seed of the random views.
    """

    preprocessing: Preprocessing
    examples: Examples
    seed: int
    _decoded: DecodedImages = field(default_factory=DecodedImages, repr=False)

    def __len__(self) -> int:
        return len(self.examples)

    def name(self, i: int) -> str:
        """Names an image in messages.

        Args:
            i: Number of the image.

        Returns:
            Its name.
        """
        return self.examples.name(i)

    def batch(self, indices: Indices, view: int) -> dict[str, Tensor]:
        """Prepares some images, possibly none, in one view.

        Args:
            indices: (b,) numbers of images in the split.
            view: Number of the view; 0 is the plain one.

        Returns:
            The column "pixels", (b, 3, H, W) float32.

        Raises:
            DataError: An image cannot be read.
        """
        seen = [self._view(i, view) for i in indices.tolist()]
        return {PIXELS: torch.stack(seen) if seen else torch.zeros(0, 3, *self._size)}

    def on(self, device: str) -> Pixels:
        """Returns the source itself: nothing is encoded.

        Args:
            device: A torch device, for example "cuda:0".

        Returns:
            The source.
        """
        return self

    def only(self, columns: Collection[str]) -> Pixels:
        """Returns the source itself: there is one column.

        Args:
            columns: Names of columns to keep.

        Returns:
            The source.
        """
        return self

    @property
    def _size(self) -> tuple[int, int]:
        return self.preprocessing.height, self.preprocessing.width

    def _view(self, i: int, view: int) -> Tensor:
        image = self._decoded.fetch(self.examples, i)
        return self.preprocessing.view(image, view, self.examples.digests[i], self.seed)
