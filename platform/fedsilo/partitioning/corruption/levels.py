"""Strength of a severity on an image of a given size.

The authors of ImageNet-C published three sets of constants: for 32 pixels along the shorter side (CIFAR-10-C), 64
(Tiny ImageNet-C) and 224 (ImageNet-C), because the same blur or noise costs more where a thing has few pixels. Between
these sizes a constant is interpolated in the logarithm of the size. Above 224 it is that of 224, and lengths grow with
the picture, which is shrunk before a model sees it; below 32 lengths shrink with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import TypeAlias

import numpy as np
from PIL import Image

SEEN = 224
"""Pixels along the shorter side of an image as a model sees it."""

_COARSEST = 32

Levels: TypeAlias = Mapping[int, tuple[float, float, float, float, float]]
"""Shorter side in pixels, ascending: the constant of each severity there."""


def level(levels: Levels, severity: int, image: Image.Image) -> float:
    """Interpolates the constant of a severity.

    Args:
        levels: Constants by size.
        severity: 1 to 5.
        image: Image, of which only the size counts.

    Returns:
        The constant for that size.
    """
    at = [row[severity - 1] for row in levels.values()]
    return float(np.interp(log(min(image.size)), [log(side) for side in levels], at))


def length(levels: Levels, severity: int, image: Image.Image) -> float:
    """Interpolates a length.

    Args:
        levels: Lengths in pixels, by size.
        severity: 1 to 5.
        image: Image, of which only the size counts.

    Returns:
        The length in pixels of the image.
    """
    side = min(image.size)
    return level(levels, severity, image) * side / min(max(side, _COARSEST), SEEN)


def seen_size(image: Image.Image) -> tuple[int, int]:
    """Computes the size of an image as a model sees it.

    Args:
        image: The image.

    Returns:
        (width, height) with a shorter side of at most 224 pixels.
    """
    excess = max(1.0, min(image.size) / SEEN)
    return round(image.width / excess), round(image.height / excess)
