"""Opening an image's bytes, and what to say of those that Pillow cannot open."""

from __future__ import annotations

import io
import warnings
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_KNOWN = ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP", "PPM", "JPEG2000", "AVIF")
"""Formats whose files are recognised by how they begin."""

MOST_ELONGATED = 200
"""Times that an image may be longer than it is wide. Resized by its short side, 1 by 60,000 pixels take 10 GB."""

_BITS, _FORM = 258, 339
_FORMS = {1: "unsigned integers", 2: "signed integers", 3: "floats"}
"""Tag 339 of a TIFF: what its values are."""

# They name no file, so they help no one: of large images that are read all the same, of odd entries in metadata.
warnings.filterwarnings("ignore", module=r"PIL\.")


def open_image(data: bytes) -> Image.Image:
    """Opens an image, as `PIL.Image.open` does.

    Args:
        data: Bytes of the file.

    Returns:
        The image, not decoded yet.

    Raises:
        ValueError: The bytes are not an image, or are of a known format that cannot be read; the message says which.
            Or the image is too elongated to be resized.
    """
    try:
        image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise ValueError(_reason(data)) from None
    if max(image.size) > MOST_ELONGATED * min(image.size):
        raise ValueError(f"{image.width} by {image.height} pixels, more than {MOST_ELONGATED} times as long as wide")
    return image


def _reason(data: bytes) -> str:
    """Why an image cannot be opened, from the format that its first bytes name."""
    for name in _KNOWN:
        factory, accepts = Image.OPEN[name]
        if accepts and accepts(data[:16]) is True:
            try:
                factory(io.BytesIO(data), "")
            except Exception as error:  # decoders raise what they like
                values = _values_of(data) if name == "TIFF" else ""
                # Pillow says so of an image without a width or a height.
                lack = "it has no pixels" if "not identified" in str(error) else f"{error}; save it as PNG"
                return f"{name}{values}: {lack}"
    return "not an image"


def _values_of(data: bytes) -> str:
    """What values a TIFF has, in words; "" where its tags cannot be read."""
    stream = io.BytesIO(data)
    try:
        tags: Any = ImageFileDirectory_v2(stream.read(8))
        stream.seek(tags.next)
        tags.load(stream)
        bits, forms = tags[_BITS], tags.get(_FORM, (1,))
    except Exception:
        return ""
    return f" of {max(bits)}-bit {_FORMS.get(forms[0], 'values of another kind')}"
