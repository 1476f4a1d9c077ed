"""Corruptions by a lens or a hand: blur, defocus, motion, rotation.

Constants: CIFAR-10-C, Tiny ImageNet-C and ImageNet-C, see `kinds`; rotation is in none of them. They spread discs
smaller than a pixel by an extra softening; here such a disc is large enough to spread a point as far.
"""

from __future__ import annotations

from math import ceil, hypot, radians

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fedsilo.partitioning.corruption.levels import Levels, length
from fedsilo.partitioning.corruption.pixel_grid import Plane, convolve, to_image, to_pixels

_DEVIATION: Levels = {32: (0.4, 0.6, 0.7, 0.8, 1.0), 64: (0.5, 0.75, 1.0, 1.25, 1.5), 224: (1.0, 2.0, 3.0, 4.0, 6.0)}
_RADIUS: Levels = {32: (0.7, 0.8, 0.9, 1.1, 1.5), 64: (0.8, 1.0, 1.5, 2.5, 3.0), 224: (3.0, 4.0, 6.0, 8.0, 10.0)}
_EXTENT: Levels = {
    32: (6.0, 6.0, 6.0, 8.0, 9.0),
    64: (10.0, 10.0, 10.0, 10.0, 12.0),
    224: (10.0, 15.0, 15.0, 15.0, 20.0),
}
_FADING: Levels = {32: (1.0, 1.5, 2.0, 2.0, 2.5), 64: (1.0, 1.5, 2.0, 2.5, 3.0), 224: (3.0, 5.0, 8.0, 12.0, 15.0)}
_ANGLE = (10.0, 20.0, 30.0, 45.0, 60.0)
_STEPS = 8  # per pixel of a trail


def blur(image: Image.Image, severity: int) -> Image.Image:
    """Applies a Gaussian blur.

    Args:
        image: RGB.
        severity: 1 to 5: standard deviation of 1 to 6 pixels at 224.

    Returns:
        The blurred image.
    """
    return image.filter(ImageFilter.GaussianBlur(length(_DEVIATION, severity, image)))


def defocus(image: Image.Image, severity: int) -> Image.Image:
    """Spreads every point over a disc.

    Args:
        image: RGB.
        severity: 1 to 5: radius of 3 to 10 pixels at 224.

    Returns:
        The blurred image.
    """
    return to_image(convolve(to_pixels(image), _disc(length(_RADIUS, severity, image))))


def _disc(radius: float) -> Plane:
    border = ceil(radius)
    below, right = np.mgrid[-border : border + 1, -border : border + 1]
    # The edge falls off over one pixel, so that the disc grows smoothly with its radius.
    disc = np.clip(radius + 0.5 - np.hypot(below, right), 0, 1)
    return _weighing(disc)


def motion(image: Image.Image, severity: int, generator: np.random.Generator) -> Image.Image:
    """Draws every point out to a fading trail, at most 45 degrees off the horizontal; the picture stays in place.

    Args:
        image: RGB.
        severity: 1 to 5: length of 10 to 20 pixels at 224, weighted by a Gaussian of deviation 3 to 15.
        generator: Random generator of the direction.

    Returns:
        The blurred image.
    """
    extent, fading = length(_EXTENT, severity, image), length(_FADING, severity, image)
    return to_image(convolve(to_pixels(image), _trail(extent, fading, radians(generator.uniform(-45, 45)))))


def _trail(extent: float, fading: float, angle: float) -> Plane:
    along = np.linspace(0, extent, 2 + ceil(_STEPS * extent))
    weights = np.exp(-((along / fading) ** 2) / 2)
    along -= np.average(along, weights=weights)
    border = ceil(np.abs(along).max())
    kernel = np.zeros((2 * border + 2, 2 * border + 2))
    below, right = border + along * np.sin(angle), border + along * np.cos(angle)
    row, column = np.floor(below).astype(int), np.floor(right).astype(int)
    # Each step is divided among the four pixels around it.
    for down in (0, 1):
        for over in (0, 1):
            part = np.abs(1 - down - (below - row)) * np.abs(1 - over - (right - column))
            np.add.at(kernel, (row + down, column + over), weights * part)
    return _weighing(kernel[:-1, :-1])


def _weighing(shape: NDArray[np.float64]) -> Plane:
    weights: Plane = (shape / shape.sum()).astype(np.float32)
    return weights


def rotation(image: Image.Image, severity: int, generator: np.random.Generator) -> Image.Image:
    """Turns the image, one way or the other; beyond its edges it is mirrored.

    Args:
        image: RGB.
        severity: 1 to 5: 10 to 60 degrees.
        generator: Random generator of the direction.

    Returns:
        The turned image.
    """
    angle = _ANGLE[severity - 1] * (1 if generator.random() < 0.5 else -1)
    width, height = image.size
    border = ceil((hypot(width, height) - min(width, height)) / 2) + 1
    padded = np.pad(np.asarray(image), ((border, border), (border, border), (0, 0)), mode="symmetric")
    turned = Image.fromarray(padded).rotate(angle, Image.Resampling.BICUBIC)
    return turned.crop((border, border, border + width, border + height))
