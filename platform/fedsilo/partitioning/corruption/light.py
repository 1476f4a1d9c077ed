"""Corruptions by light: contrast, brightness, darkness, fog, grey, a colour cast.

Constants: CIFAR-10-C, Tiny ImageNet-C and ImageNet-C, see `kinds`. For contrast and brightness Tiny ImageNet-C has
those of ImageNet-C, which are too strong for a model of emblems: here contrast is that of CIFAR-10-C up to 64 pixels,
and brightness lies between the two. The third and fourth fog of ImageNet-C are equally thick; here the fourth is
thicker. Darkness, grey and the colour cast are in none of them.
"""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image

from fedsilo.partitioning.corruption.levels import Levels, level
from fedsilo.partitioning.corruption.pixel_grid import Plane, to_image, to_pixels

_CONTRAST: Levels = {64: (0.75, 0.5, 0.4, 0.3, 0.15), 224: (0.4, 0.3, 0.2, 0.1, 0.05)}
_ADDED: Levels = {32: (0.05, 0.1, 0.15, 0.2, 0.3), 224: (0.1, 0.2, 0.3, 0.4, 0.5)}
_FOG: Levels = {32: (0.2, 0.5, 0.75, 1.0, 1.5), 64: (0.4, 0.7, 1.0, 1.5, 2.0), 224: (1.5, 2.0, 2.5, 3.0, 3.5)}
_DECAY: Levels = {32: (3.0, 3.0, 2.5, 2.0, 1.75), 64: (3.0, 3.0, 2.5, 2.0, 1.75), 224: (2.0, 2.0, 1.9, 1.8, 1.75)}
_LEFT = (0.8, 0.65, 0.5, 0.4, 0.3)
_GREYNESS = (0.2, 0.4, 0.6, 0.8, 1.0)
_FILTER = (0.15, 0.3, 0.45, 0.6, 0.75)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_OCTAVES = 7


def contrast(image: Image.Image, severity: int) -> Image.Image:
    """Moves all colours towards the mean colour.

    Args:
        image: RGB.
        severity: 1 to 5: keeps 0.4 to 0.05 of the distance at 224 pixels.

    Returns:
        The altered image.
    """
    pixels = to_pixels(image)
    mean = pixels.mean((0, 1))
    return to_image(mean + np.float32(level(_CONTRAST, severity, image)) * (pixels - mean))


def brightness(image: Image.Image, severity: int) -> Image.Image:
    """Raises the value of all colours; hue and saturation stay.

    Args:
        image: RGB.
        severity: 1 to 5: adds 0.1 to 0.5 at 224 pixels.

    Returns:
        The altered image.
    """
    pixels = to_pixels(image)
    value = pixels.max(2, keepdims=True)
    brighter = np.minimum(value + np.float32(level(_ADDED, severity, image)), 1)
    # Black has no hue: it becomes grey.
    return to_image(np.where(value > 0, pixels * (brighter / np.where(value > 0, value, 1)), brighter))


def darkness(image: Image.Image, severity: int) -> Image.Image:
    """Removes light.

    Args:
        image: RGB.
        severity: 1 to 5: keeps 0.8 to 0.3 of the light.

    Returns:
        The altered image.
    """
    return to_image(to_pixels(image) * np.float32(_LEFT[severity - 1]))


def grey(image: Image.Image, severity: int) -> Image.Image:
    """Removes colour; luma stays.

    Args:
        image: RGB.
        severity: 1 to 5: removes 0.2 to 1 of the colour.

    Returns:
        The altered image.
    """
    pixels = to_pixels(image)
    luma = (pixels @ _LUMA)[:, :, None]
    return to_image(pixels + np.float32(_GREYNESS[severity - 1]) * (luma - pixels))


def colour_cast(image: Image.Image, severity: int, generator: np.random.Generator) -> Image.Image:
    """Puts a filter of one hue in front of the image.

    Args:
        image: RGB.
        severity: 1 to 5: removes 0.15 to 0.75 of the light farthest from the hue.
        generator: Random generator of the hue.

    Returns:
        The altered image.
    """
    hue = np.array(colorsys.hsv_to_rgb(generator.random(), 1, 1), dtype=np.float32)
    return to_image(to_pixels(image) * (1 - np.float32(_FILTER[severity - 1]) * (1 - hue)))


def fog(image: Image.Image, severity: int, generator: np.random.Generator) -> Image.Image:
    """Puts clouds in front of the image, dimmed to its own maximum.

    Args:
        image: RGB.
        severity: 1 to 5: clouds 1.5 to 3.5 times as bright as white at 224 pixels.
        generator: Random generator of the clouds.

    Returns:
        The altered image.
    """
    thickness, decay = level(_FOG, severity, image), level(_DECAY, severity, image)
    pixels = to_pixels(image)
    brightest = float(pixels.max())
    veiled = pixels + np.float32(thickness) * _clouds(image.size, decay, generator)[:, :, None]
    return to_image(veiled * np.float32(brightest / (brightest + thickness)))


def _clouds(size: tuple[int, int], decay: float, generator: np.random.Generator) -> Plane:
    """Smooth noise in [0, 1], (height, width), of octaves; each has `decay` times less height than the one before."""
    width, height = size
    side = max(size)
    total = np.zeros((side, side), dtype=np.float32)
    for octave in range(1, _OCTAVES + 1):
        hills = Image.fromarray(generator.random((2**octave, 2**octave), dtype=np.float32))
        total += np.asarray(hills.resize((side, side), Image.Resampling.BICUBIC)) / np.float32(decay**octave)
    part = total[:height, :width]
    lowest, highest = float(part.min()), float(part.max())
    clouds: Plane = (part - lowest) / max(highest - lowest, 1e-6)
    return clouds
