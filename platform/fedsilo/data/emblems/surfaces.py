"""Operations on a 64 x 64 page: noise, blur and mixing, in float32, where 0 is black and 1 is white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SIZE = 64

Plane = NDArray[np.float32]
"""(64, 64): a coverage or density."""
Page = NDArray[np.float32]
"""(64, 64, 3): colours."""
Colour = NDArray[np.float32]
"""(3,): red, green, blue."""

ROWS: Plane
COLUMNS: Plane
ROWS, COLUMNS = (axis.astype(np.float32) for axis in np.mgrid[0:SIZE, 0:SIZE])


def colour(*rgb: int) -> Colour:
    """Makes a colour.

    Args:
        *rgb: Red, green and blue, in [0, 255].

    Returns:
        (3,) in [0, 1].
    """
    return np.array(rgb, dtype=np.float32) / np.float32(255)


def jitter(base: Colour, spread: float, generator: np.random.Generator) -> Colour:
    """Adds normal noise to a colour.

    Args:
        base: The colour.
        spread: Standard deviation of the noise.
        generator: Random generator of the noise.

    Returns:
        (3,) in [0, 1].
    """
    return np.clip(base + spread * generator.standard_normal(3, dtype=np.float32), 0, 1)


def as_plane(image: Image.Image) -> Plane:
    """Converts an 8-bit grey image to numbers.

    Args:
        image: The image, 64 x 64.

    Returns:
        (64, 64) in [0, 1].
    """
    return np.asarray(image, dtype=np.float32) * np.float32(1 / 255)


def blur(plane: Plane, radius: float) -> Plane:
    """Applies a Gaussian blur.

    Args:
        plane: (64, 64); values are clipped to [0, 1] and rounded down to 8 bits.
        radius: Standard deviation, pixels.

    Returns:
        (64, 64) in [0, 1].
    """
    grey = Image.fromarray((np.clip(plane, 0, 1) * 255).astype(np.uint8))
    return as_plane(grey.filter(ImageFilter.GaussianBlur(radius)))


def clouds(cells: int, generator: np.random.Generator) -> Plane:
    """Draws smooth noise.

    Args:
        cells: Approximate number of hills across the page.
        generator: Random generator of the noise.

    Returns:
        (64, 64) in [0, 1].
    """
    coarse = Image.fromarray(generator.integers(0, 256, (cells, cells), dtype=np.uint8))
    return as_plane(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def grain(strength: float, generator: np.random.Generator) -> Plane:
    """Draws independent normal noise.

    Args:
        strength: Standard deviation.
        generator: Random generator of the noise.

    Returns:
        (64, 64), one number per pixel.
    """
    return np.float32(strength) * generator.standard_normal((SIZE, SIZE), dtype=np.float32)


def mix(page: Page, paint: Colour | Page, cover: Plane) -> Page:
    """Lays paint over a page.

    Args:
        page: (64, 64, 3) colours.
        paint: (3,) one colour, or (64, 64, 3).
        cover: (64, 64) opacity of the paint, in [0, 1].

    Returns:
        (64, 64, 3) colours.
    """
    return page + (paint - page) * cover.astype(np.float32, copy=False)[:, :, None]


def flat(paint: Colour) -> Page:
    """Makes a page of one colour.

    Args:
        paint: The colour.

    Returns:
        (64, 64, 3), read-only.
    """
    return np.broadcast_to(paint, (SIZE, SIZE, 3))


def to_image(page: Page) -> Image.Image:
    """Converts a page to an 8-bit image.

    Args:
        page: (64, 64, 3); values are clipped to [0, 1].

    Returns:
        The image, RGB.
    """
    return Image.fromarray((np.clip(page, 0, 1) * 255 + 0.5).astype(np.uint8))
