"""What a sensor and a file format do: noise, dead pixels, coarse pixels, compression.

Grains and blocks are those of a picture whose shorter side has at most 224 pixels. On a larger one they are larger in
proportion: noise on every single pixel would be gone once the picture is shrunk for the model.

Constants: CIFAR-10-C, Tiny ImageNet-C and ImageNet-C, see `kinds`. Those of Tiny ImageNet-C for pixelation and JPEG
cost a model of emblems nothing: there ImageNet-C's hold from 64 pixels on.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.partitioning.corruption.levels import Levels, level, seen_size
from fedsilo.partitioning.corruption.pixel_grid import to_image, to_pixels

_DEVIATION: Levels = {
    32: (0.04, 0.06, 0.08, 0.09, 0.10),
    64: (0.04, 0.08, 0.12, 0.15, 0.18),
    224: (0.08, 0.12, 0.18, 0.26, 0.38),
}
_DEAD: Levels = {
    32: (0.01, 0.02, 0.03, 0.05, 0.07),
    64: (0.01, 0.02, 0.05, 0.08, 0.14),
    224: (0.03, 0.06, 0.09, 0.17, 0.27),
}
_QUALITY: Levels = {32: (80, 65, 58, 50, 40), 64: (25, 18, 15, 10, 7)}
_KEPT: Levels = {32: (0.95, 0.9, 0.85, 0.75, 0.65), 64: (0.6, 0.5, 0.4, 0.3, 0.25)}


def noise(image: Image.Image, severity: int, generator: np.random.Generator) -> Image.Image:
    """Returns the image with normal noise on every value, of a deviation of 0.08 to 0.38 of full at 224 pixels."""
    width, height = seen_size(image)
    grains = generator.standard_normal((height, width, 3), dtype=np.float32)
    return to_image(to_pixels(image) + np.float32(level(_DEVIATION, severity, image)) * _spread(grains, image))


def impulse(image: Image.Image, severity: int, generator: np.random.Generator) -> Image.Image:
    """Returns the image with 0.03 to 0.27 of all values at 224 pixels either 0 or full: salt and pepper."""
    width, height = seen_size(image)
    fate = _spread(generator.random((height, width, 3), dtype=np.float32), image)
    half = level(_DEAD, severity, image) / 2
    return to_image(np.where(fate < half, 0, np.where(fate >= 1 - half, 1, to_pixels(image))))


def pixelation(image: Image.Image, severity: int) -> Image.Image:
    """Returns the image in blocks of one colour: 0.6 to 0.25 as many along a side as there are pixels."""
    kept = level(_KEPT, severity, image)
    width, height = (max(1, round(kept * side)) for side in seen_size(image))
    small = image.resize((width, height), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


def jpeg(image: Image.Image, severity: int) -> Image.Image:
    """Returns the image after JPEG compression of quality 25 to 7; a larger one is first shrunk to 224 pixels."""
    file = io.BytesIO()
    small = seen_size(image)
    shrunk = image if small == image.size else image.resize(small, Image.Resampling.BICUBIC)
    shrunk.save(file, "JPEG", quality=round(level(_QUALITY, severity, image)))
    with Image.open(file) as compressed:
        return compressed.convert("RGB").resize(image.size, Image.Resampling.BICUBIC)


def _spread(grains: NDArray[np.float32], image: Image.Image) -> NDArray[np.float32]:
    """Every grain over the pixels of the image that it covers, all of them at full strength."""
    rows = np.arange(image.height) * len(grains) // image.height
    columns = np.arange(image.width) * grains.shape[1] // image.width
    spread: NDArray[np.float32] = grains[rows[:, None], columns]
    return spread
