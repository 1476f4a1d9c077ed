"""How strong a severity is on an image of some size.

The authors of ImageNet-C published three sets of constants: for 32 pixels along the shorter side (CIFAR-10-C), 64
(Tiny ImageNet-C) and 224 (ImageNet-C), since the same blur or noise costs more where a thing has few pixels. Between
these sizes a constant is interpolated in the logarithm of the size. Beyond 224 it is that of 224, and lengths grow with
the picture, which is shrunk before a model sees it; below 32 they shrink with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import TypeAlias

import numpy as np
from PIL import Image

SEEN = 224
"""Pixels along the shorter side of what a model sees."""

_COARSEST = 32

Levels: TypeAlias = Mapping[int, tuple[float, float, float, float, float]]
"""Shorter side in pixels, ascending: the constant of each severity there."""


def level(levels: Levels, severity: int, image: Image.Image) -> float:
    """Returns the constant of a severity for the size of an image."""
    at = [row[severity - 1] for row in levels.values()]
    return float(np.interp(log(min(image.size)), [log(side) for side in levels], at))


def length(levels: Levels, severity: int, image: Image.Image) -> float:
    """Returns a length in pixels of the image; `levels` has it in pixels of pictures of its sizes."""
    side = min(image.size)
    return level(levels, severity, image) * side / min(max(side, _COARSEST), SEEN)


def seen_size(image: Image.Image) -> tuple[int, int]:
    """Returns (width, height) with a shorter side of at most 224 pixels, as a model sees the image."""
    excess = max(1.0, min(image.size) / SEEN)
    return round(image.width / excess), round(image.height / excess)
