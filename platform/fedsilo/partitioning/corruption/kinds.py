"""Kinds of corruption, by what is random in them. A new kind is one function and its line in a table.

All are pure functions of an RGB image, a severity from 1 to 5 and, for random kinds, a generator; size and mode stay.
Draws do not depend on the severity: at every severity a client's images tilt the same way and have the same grain.

Source of the constants, for kinds that it has: Hendrycks and Dietterich, "Benchmarking neural network robustness to
common corruptions and perturbations", ICLR 2019, arXiv:1903.12261, and the code published with it: ImageNet-C for
pictures of 224 pixels, Tiny ImageNet-C for 64, CIFAR-10-C for 32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from fedsilo.partitioning.corruption.lens import blur, defocus, motion, rotation
from fedsilo.partitioning.corruption.light import brightness, colour_cast, contrast, darkness, fog, grey
from fedsilo.partitioning.corruption.sensor import impulse, jpeg, noise, pixelation

DeterministicCorruption = Callable[[Image.Image, int], Image.Image]
RandomCorruption = Callable[[Image.Image, int, np.random.Generator], Image.Image]

SEVERITIES = (1, 2, 3, 4, 5)

DETERMINISTIC: Mapping[str, DeterministicCorruption] = MappingProxyType(
    {
        "blur": blur,
        "defocus": defocus,
        "pixelation": pixelation,
        "jpeg": jpeg,
        "contrast": contrast,
        "brightness": brightness,
        "darkness": darkness,
        "grey": grey,
    }
)
"""Kinds in which nothing is drawn."""

RANDOM_PER_SEED: Mapping[str, RandomCorruption] = MappingProxyType(
    {"rotation": rotation, "motion": motion, "colour_cast": colour_cast}
)
"""Drawn from the seed alone: one direction or hue for all images."""

RANDOM_PER_IMAGE: Mapping[str, RandomCorruption] = MappingProxyType({"noise": noise, "impulse": impulse, "fog": fog})
"""Drawn for each image separately."""

KINDS = (*RANDOM_PER_IMAGE, *DETERMINISTIC, *RANDOM_PER_SEED)
"""Names of all kinds."""
