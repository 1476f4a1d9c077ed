"""Numbers on a 64 x 64 page: noise, blur and mixing, in float32 with 0 black and 1 white."""

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
    """Returns a colour from its 8-bit parts."""
    return np.array(rgb, dtype=np.float32) / np.float32(255)


def jittered(base: Colour, spread: float, generator: np.random.Generator) -> Colour:
    """Returns `base` with normal noise of standard deviation `spread` on each part, within [0, 1]."""
    return np.clip(base + spread * generator.standard_normal(3, dtype=np.float32), 0, 1)


def as_plane(image: Image.Image) -> Plane:
    """Returns an 8-bit grey image as numbers in [0, 1]."""
    return np.asarray(image, dtype=np.float32) * np.float32(1 / 255)


def blur(plane: Plane, radius: float) -> Plane:
    """Returns the plane after a Gaussian blur of `radius` pixels; values are clipped to [0, 1] and kept to 8 bits."""
    grey = Image.fromarray((np.clip(plane, 0, 1) * 255).astype(np.uint8))
    return as_plane(grey.filter(ImageFilter.GaussianBlur(radius)))


def clouds(cells: int, generator: np.random.Generator) -> Plane:
    """Returns smooth noise in [0, 1] with about `cells` hills across."""
    coarse = Image.fromarray(generator.integers(0, 256, (cells, cells), dtype=np.uint8))
    return as_plane(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def grain(strength: float, generator: np.random.Generator) -> Plane:
    """Returns independent normal noise of standard deviation `strength`, one number a pixel."""
    return np.float32(strength) * generator.standard_normal((SIZE, SIZE), dtype=np.float32)


def mix(page: Page, paint: Colour | Page, cover: Plane) -> Page:
    """Returns `page` with `paint` laid over it where `cover` is 1."""
    return page + (paint - page) * cover.astype(np.float32, copy=False)[:, :, None]


def flat(paint: Colour) -> Page:
    """Returns a page of one colour."""
    return np.broadcast_to(paint, (SIZE, SIZE, 3))


def to_image(page: Page) -> Image.Image:
    """Returns the page as an 8-bit RGB image."""
    return Image.fromarray((np.clip(page, 0, 1) * 255 + 0.5).astype(np.uint8))
