"""Images of more than 8 bits per channel, of float values, or of values with a sign, as 8-bit pictures.

Such files have no agreed black and white: 12 bits lie in 16, floats run from 0 to 1 or to 65535, heights and
temperatures start anywhere. So the image's own range is used: its lowest value becomes black, its highest white, over
all channels together. Missing values (nan, infinity, the value that a GeoTIFF declares as no data, transparent parts)
do not count for the range.

Pillow opens 16-bit colour with the upper 8 bits of each value; the lower ones come from a second look at the same file
with its bytes taken in the other order. What it reduces to 8 bits in the decoder (JPEG 2000, AVIF and 16-bit PPM in
colour, 16-bit CMYK) stays reduced; where little is left of it, the image is of the kind FAINT. 16-bit TIFFs whose
colours lie in separate planes are refused: Pillow takes the halves of their values for pixels. It also takes values
with a sign for others without one (8-bit TIFF, 16-bit FITS), and swaps bytes that libtiff has swapped already.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SCALED = "Images of more than 8 bits, of floats or with a sign, scaled by their own range from black to white"
EQUAL = "Images of one colour all over"
FAINT = "Images whose levels hardly differ, as where 12 bits were written as 16"
MISSING = "Images with values that are missing (nan, infinite, no data), drawn black"
OUTLIERS = "Images of more than 8 bits, of floats or with a sign that a few outliers leave nearly one grey level"

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_DEPTH = 24
"""Offset of the byte in a PNG that has the bits per channel."""

_NO_DATA = 42113
"""Tag of a GeoTIFF for the value that means no data."""

_BITS, _PHOTOMETRIC, _PLANES, _FORM = 258, 262, 284, 339
"""Tags of a TIFF: bits of each channel; 0 where the lowest value is white; 2 where channels lie one after another; 2
for whole numbers with a sign."""

_SWAPPED = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}
"""Packings of values whose most significant byte comes first in a file, and what libtiff makes of them."""

_FAINT = 32
"""Images with fewer levels, of 256, between their darkest and lightest pixel are of the kind FAINT."""

_NEARLY_ALL = 0.99
_NATIVE = "L" if sys.byteorder == "little" else "B"
_UNSIGNED = "I;32N"


@dataclass(frozen=True, slots=True)
class _Values:
    """Decoded values of a file.

    Attributes:
        colours: (height, width) grey or (height, width, 3) red, green and blue.
        opacity: (height, width) in [0, 1].
    """

    colours: NDArray[np.float64]
    opacity: NDArray[np.float64]


def is_deep(data: bytes) -> bool:
    """Finds out whether an image has to be scaled to 8 bits; only the head of the file is read.

    Args:
        data: Bytes of the image file.

    Returns:
        Whether it has to be scaled; False if the file cannot be opened.
    """
    if data.startswith(_JPEG):
        return False
    if data.startswith(_PNG):
        return len(data) > _PNG_DEPTH and data[_PNG_DEPTH] > 8
    try:
        with Image.open(io.BytesIO(data)) as image:
            return has_depth(image)
    except Exception:  # decoders raise any error; a file that cannot be opened is reported when it is decoded
        return False


def has_depth(image: Image.Image) -> bool:
    """Tells whether an image has more than 8 bits per channel, a sign, or floats.

    Args:
        image: The opened image.

    Returns:
        Whether it has to be scaled.
    """
    return image.mode[0] in "IF" or bool(_wide(image)) or _signed(image) is not None


def scaled(image: Image.Image, data: bytes = b"") -> tuple[Image.Image, tuple[str, ...]]:
    """Scales an image by its own range to 8 bits.

    Args:
        image: An image for which `has_depth` holds.
        data: Bytes of its file, from which 16-bit colour is read a second time; not needed for a loaded image.

    Returns:
        The image as RGB, and the kinds that it is of, from the constants of this module.

    Raises:
        ValueError: No pixel has a value.
    """
    values = _without_missing(image, _values(image, data))
    if _tags(image).get(_PHOTOMETRIC) == 0:
        values = replace(values, colours=-values.colours)  # Pillow does that to images of 8 bits only
    seen = np.isfinite(values.colours) & (_like(values.opacity, values.colours) > 0)
    if not seen.any():
        raise ValueError("no pixel has a value that is a number and can be seen")
    low, high = values.colours[seen].min(), values.colours[seen].max()
    span = (high - low) or 1.0
    grey = np.clip(np.nan_to_num((values.colours - low) / span, nan=0.0, posinf=0.0, neginf=0.0), 0, 1)
    kinds = [SCALED]
    if not np.isfinite(values.colours).all():
        kinds.append(MISSING)
    if low < high and _is_lost(values.colours[seen], np.floor(255 * grey[seen] + 0.5)):
        kinds.append(OUTLIERS)
    visible = _like(values.opacity, grey)
    pixels = np.floor(255 * (grey * visible + 1 - visible) + 0.5).astype(np.uint8)
    picture = Image.fromarray(pixels).convert("RGB")
    return picture, (*kinds, *extent_of(picture))


def require_readable(image: Image.Image) -> None:
    """Refuses a TIFF whose pixels Pillow gets wrong. Raises ValueError."""
    tags = _tags(image)
    if tags.get(_PLANES) == 2 and len(tags.get(_BITS, ())) > 1 and max(tags[_BITS]) > 8:
        raise ValueError("colours of more than 8 bits in separate planes; save it with interleaved ones")


def extent_of(image: Image.Image) -> tuple[str, ...]:
    """Finds out whether the levels of an image differ.

    Args:
        image: An RGB image.

    Returns:
        EQUAL if they do not differ, FAINT if they hardly differ, else nothing.
    """
    extrema = cast("tuple[tuple[int, int], ...]", image.getextrema())  # one pair per channel: RGB has several
    most = max(high - low for low, high in extrema)
    return (EQUAL,) if not most else (FAINT,) if most < _FAINT else ()


def _is_lost(values: NDArray[np.float64], levels: NDArray[np.float64]) -> bool:
    """Whether nearly all values have the same level although they differ."""
    common = levels == np.bincount(levels.astype(np.int64)).argmax()
    return bool(common.mean() > _NEARLY_ALL and np.ptp(values[common]) > 0)


def _values(image: Image.Image, data: bytes) -> _Values:
    if not _wide(image):
        kind = np.uint32 if _raw_mode(image) == _UNSIGNED else _signed(image)
        _unswap(image)
        found = np.asarray(image)
        colours = (found if kind is None else found.view(kind)).astype(np.float64)
    else:
        colours = _sixteen_bits(image, data)
    opacity = np.ones(colours.shape[:2])
    if colours.ndim == 3 and colours.shape[2] in (2, 4):
        opacity, colours = colours[..., -1] / 65535, colours[..., :-1]
        if _wide(image).startswith("RGBa"):
            colours = colours / np.maximum(opacity, 1 / 65535)[..., None]
    clear = image.info.get("transparency")
    if clear is not None:
        same = colours == np.asarray(clear, dtype=np.float64)
        opacity = opacity * ~(same.all(axis=2) if same.ndim == 3 else same)
    return _Values(colours[..., 0] if colours.shape[2:] == (1,) else colours, opacity)


def _without_missing(image: Image.Image, values: _Values) -> _Values:
    """The values with nan for the one that the file names as no data."""
    try:
        nothing = float(str(_tags(image)[_NO_DATA]).strip(" \0"))
    except (KeyError, ValueError):
        return values
    with np.errstate(over="ignore"):
        stored = float(np.float32(nothing)) if image.mode == "F" else nothing
    return replace(values, colours=np.where(values.colours == stored, np.nan, values.colours))


def _like(opacity: NDArray[np.float64], colours: NDArray[Any]) -> NDArray[np.float64]:
    """The opacity in the shape of the colours."""
    return np.broadcast_to(opacity if colours.ndim == 2 else opacity[..., None], colours.shape)


def _tags(image: Image.Image) -> Any:
    """The tags of a TIFF; of other images none."""
    return getattr(image, "tag_v2", {})


def _signed(image: Image.Image) -> type[np.signedinteger[Any]] | None:
    """The type of whole numbers with a sign that Pillow reads as if they had none; None for all other images."""
    if image.mode == "L" and _tags(image).get(_FORM, ())[:1] == (2,):
        return np.int8
    return np.int16 if image.format == "FITS" and image.mode == "I;16" else None


def _unswap(image: Image.Image) -> None:
    """Has an image that is not loaded yet taken from libtiff as it comes: with the bytes in this machine's order."""
    opened: Any = image
    native = _SWAPPED.get(_raw_mode(image))
    if native and opened.tile[0].codec_name == "libtiff":
        opened.tile = [tile._replace(args=_repacked(tile.args, native)) for tile in opened.tile]


def _raw_mode(image: Image.Image) -> str:
    """Packing of the file's bytes, as Pillow names it; "" for a loaded image."""
    tiles: Any = getattr(image, "tile", None)
    if not tiles:
        return ""
    arguments = tiles[0].args
    return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])


def _wide(image: Image.Image) -> str:
    """Packing of 16-bit colour, for example "RGB;16B"; "" for all other images."""
    packed = _raw_mode(image)
    return packed if packed[:-1] in ("RGB;16", "RGBA;16", "RGBa;16", "RGBX;16", "LA;16") and packed[-1] in "BLN" else ""


def _sixteen_bits(image: Image.Image, data: bytes) -> NDArray[np.float64]:
    """(height, width, channels) whole numbers below 65536 of 16-bit colour, or of 16-bit grey with opacity."""
    packed = _wide(image).replace("RGBa", "RGBA")  # otherwise Pillow would divide the lower halves too
    if packed.startswith("LA"):
        # Two 16-bit numbers are as long as four 8-bit ones; Pillow gives only the upper halves otherwise.
        grey = _packed(data, "RGBA", "RGBA")
        halves = grey.astype(np.float64)
        return np.asarray(256 * halves[..., 0::2] + halves[..., 1::2])
    order = _NATIVE if packed[-1] == "N" else packed[-1]
    other = f"{packed[:-1]}{'L' if order == 'B' else 'B'}"
    low, high = _packed(data, image.mode, other), _packed(data, image.mode, packed)
    return np.asarray(256 * high.astype(np.float64) + low)


def _packed(data: bytes, mode: str, packed: str) -> NDArray[np.uint8]:
    """Pixels of a file, read as if its bytes were packed in another way."""
    with Image.open(io.BytesIO(data)) as again:
        reread: Any = again
        reread._mode = mode
        reread.tile = [tile._replace(args=_repacked(tile.args, packed)) for tile in reread.tile]
        reread.load()
        return np.asarray(reread)


def _repacked(arguments: Any, packed: str) -> Any:
    return packed if isinstance(arguments, str) else (packed, *arguments[1:])
