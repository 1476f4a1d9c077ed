"""Images as arrays of pixels, and convolution with mirrored edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]
"""(height, width, 3): red, green and blue, 0 black and 1 full."""
Plane = NDArray[np.float32]
"""(height, width): one number per pixel, or the weights of a pixel's surroundings."""


def to_pixels(image: Image.Image) -> Pixels:
    """Converts an image to numbers.

    Args:
        image: RGB.

    Returns:
        (height, width, 3) in [0, 1].
    """
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def to_image(pixels: Pixels) -> Image.Image:
    """Converts numbers to the nearest 8-bit image.

    Args:
        pixels: (height, width, 3); values are clipped to [0, 1].

    Returns:
        The image, RGB.
    """
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def convolve(pixels: Pixels, kernel: Plane) -> Pixels:
    """Computes the weighted mean of each pixel's surroundings; the picture is mirrored beyond its edges.

    Args:
        pixels: (height, width, 3).
        kernel: (2 r + 1, 2 r + 1) weights that sum to 1.

    Returns:
        (height, width, 3).
    """
    height, width, _ = pixels.shape
    border = len(kernel) // 2
    padded = np.pad(pixels, ((border, border), (border, border), (0, 0)), mode="symmetric")
    shape = padded.shape[:2]
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(kernel, s=shape, axes=(0, 1))[:, :, None]
    whole = np.fft.irfft2(spectrum, s=shape, axes=(0, 1)).astype(np.float32)
    # A product of spectra wraps around at the edges: these pixels are cut off.
    return whole[2 * border : 2 * border + height, 2 * border : 2 * border + width]
