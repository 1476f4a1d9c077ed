"""Corruptions by a sensor or a file format: noise, dead pixels, coarse pixels, compression.

Grains and blocks have the size that they have on a picture with a shorter side of at most 224 pixels. On a larger
picture they grow in proportion, because noise on single pixels would vanish when the picture is shrunk for the model.

Constants: CIFAR-10-C, Tiny ImageNet-C and ImageNet-C, see `kinds`. Those of Tiny ImageNet-C for pixelation and JPEG
do not affect a model of emblems: here those of ImageNet-C apply from 64 pixels on.
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
    """Adds normal noise to every value.

    Args:
        image: RGB.
        severity: 1 to 5: standard deviation of 0.08 to 0.38 of full range at 224 pixels.
        generator: Random generator of the noise.

    Returns:
        The noisy image.
    """
    width, height = seen_size(image)
    grains = generator.standard_normal((height, width, 3), dtype=np.float32)
    return to_image(to_pixels(image) + np.float32(level(_DEVIATION, severity, image)) * _spread(grains, image))


def impulse(image: Image.Image, severity: int, generator: np.random.Generator) -> Image.Image:
    """Sets values to 0 or to full: salt and pepper.

    Args:
        image: RGB.
        severity: 1 to 5: changes 0.03 to 0.27 of all values at 224 pixels.
        generator: Random generator of the noise.

    Returns:
        The noisy image.
    """
    width, height = seen_size(image)
    fate = _spread(generator.random((height, width, 3), dtype=np.float32), image)
    half = level(_DEAD, severity, image) / 2
    return to_image(np.where(fate < half, 0, np.where(fate >= 1 - half, 1, to_pixels(image))))


def pixelation(image: Image.Image, severity: int) -> Image.Image:
    """Replaces pixels by blocks of one colour.

    Args:
        image: RGB.
        severity: 1 to 5: 0.6 to 0.25 as many blocks along a side as pixels, at 64 pixels and more.

    Returns:
        The coarse image.
    """
    kept = level(_KEPT, severity, image)
    width, height = (max(1, round(kept * side)) for side in seen_size(image))
    small = image.resize((width, height), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


def jpeg(image: Image.Image, severity: int) -> Image.Image:
    """Compresses the image by JPEG; one larger than 224 pixels is first shrunk to 224.

    Args:
        image: RGB.
        severity: 1 to 5: quality 25 to 7 at 64 pixels and more.

    Returns:
        The image after compression, of the same size.
    """
    file = io.BytesIO()
    small = seen_size(image)
    shrunk = image if small == image.size else image.resize(small, Image.Resampling.BICUBIC)
    shrunk.save(file, "JPEG", quality=round(level(_QUALITY, severity, image)))
    with Image.open(file) as compressed:
        return compressed.convert("RGB").resize(image.size, Image.Resampling.BICUBIC)


def _spread(grains: NDArray[np.float32], image: Image.Image) -> NDArray[np.float32]:
    """Every grain at full strength, over all pixels of the image that it covers."""
    rows = np.arange(image.height) * len(grains) // image.height
    columns = np.arange(image.width) * grains.shape[1] // image.width
    spread: NDArray[np.float32] = grains[rows[:, None], columns]
    return spread
