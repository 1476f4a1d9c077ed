"""Handwritten digits: the 1,797 images of scikit-learn, 8 x 8 pixels in 17 grey values.

Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998
(its test part, 13 writers).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.core import Dataset, Examples, Indices, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.seeds import numpy_generator
from fedsilo.data import train_test_split

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
FULL = 16  # largest grey value of the originals


@dataclass(frozen=True, slots=True)
class DigitImages:
    """Draws digit i from its 8 x 8 original, white on black.

    Attributes:
        pixels: (n, 8, 8) originals as bytes: 0 is paper, 255 is ink.
        size: Side of the drawn image, pixels.
    """

    pixels: NDArray[np.uint8]
    size: int

    def __call__(self, i: int) -> Image.Image:
        """Returns digit i, enlarged smoothly: models are trained on photographs, which have no hard 8 x 8 blocks."""
        small = Image.fromarray(self.pixels[i])
        return small.resize((self.size, self.size), Image.Resampling.BICUBIC).convert("RGB")

    def digest(self, i: int) -> str:
        """Hashes everything that determines an image.

        Args:
            i: Number of the image.

        Returns:
            First 32 hex digits of the sha256.
        """
        return hashlib.sha256(f"digits bicubic {self.size} ".encode() + self.pixels[i].tobytes()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Digits(Dataset):
    """The digits of scikit-learn; the test split has the same fraction of every class."""

    test_fraction: float = key(0.25, "Fraction of each class for testing, in (0, 1).")
    image_size: int = key(64, "Side of the images, pixels, >= 8; the originals have 8.")
    template: str = key("a photo of the digit {}.", "Prompt of the zero-shot row, with {} for the class.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        problems = train_test_split.fraction_problems("test_fraction", self.test_fraction)
        if not 8 <= self.image_size <= 1024:
            problems.append(f"image_size: must be between 8 and 1024, got {self.image_size}.")
        if "{}" not in self.template:
            problems.append(f"template: must have {{}} where the class goes, got '{self.template}'.")
        return problems

    def load(self, seed: int) -> LabelledImages:
        """Loads the digits and draws the test split.

        Args:
            seed: Seed of the test split.

        Returns:
            The data set.
        """
        # Imported here because scikit-learn takes a second to load and other data sets do not need it.
        from sklearn.datasets import load_digits

        originals, labels = load_digits(return_X_y=True)
        pixels = np.round(originals.reshape(-1, 8, 8) * (255 / FULL)).astype(np.uint8)
        labels = labels.astype(np.int64)
        train, test = train_test_split.split_stratified(labels, self.test_fraction, numpy_generator(seed, "holdout"))
        return LabelledImages(
            classes=NAMES,
            domains=("digits",),
            template=self.template,
            train=self._examples(pixels[train], labels[train]),
            test=self._examples(pixels[test], labels[test]),
        )

    def _examples(self, pixels: NDArray[np.uint8], labels: Indices) -> Examples:
        fetch = DigitImages(pixels, self.image_size)
        return Examples(
            labels=labels,
            domains=np.zeros(len(labels), dtype=np.int64),
            fetch=fetch,
            digests=tuple(fetch.digest(i) for i in range(len(labels))),
        )
