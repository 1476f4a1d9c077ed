"""Decoding of image files, and checks of many files at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from PIL import Image

from fedsilo.core.errors import DataError
from fedsilo.core.prefetch import cores, prefetch
from fedsilo.data.files.bit_depth import extent_of, has_depth, is_deep, require_readable, scaled
from fedsilo.data.files.file_sources import Source
from fedsilo.data.files.image_opening import open_image

Told = Callable[[int, int], None]
"""told(done, total): number of checked files, and of all files."""

_WINDOW = 256
"""Greatest number of files that are read ahead."""

_SCALING = b"fedsilo scales by an image's own range, 3: "
"""Part of the digest of images that are scaled to 8 bits. Change it when `fedsilo.data.files.bit_depth` changes."""

_STEP = 100
"""Files between two progress reports."""

_listener: ContextVar[Told] = ContextVar("inspection", default=lambda done, total: None)


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """Result of checking one file.

    Attributes:
        digest: First 32 hex digits of the sha256 of its bytes.
        mode: Colour mode as Pillow names it, for example "RGB" or "L"; "" if it was not decoded.
        fault: Why the file cannot be used; "" if it can.
        kinds: What the user should know about it, from the constants of `fedsilo.data.files.bit_depth`.
    """

    digest: str
    mode: str
    fault: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileImages:
    """Reads image i as RGB.

    Attributes:
        source: Folder or archive of the files.
        names: (n,) names of the files in the source.
        digests: (n,) their digests when the data was loaded.
    """

    source: Source
    names: tuple[str, ...]
    digests: tuple[str, ...]

    def __call__(self, i: int) -> Image.Image:
        """Returns image i. Raises DataError when the file is missing, damaged or no longer the checked one."""
        name = self.names[i]
        try:
            data = self.source.read(name)
        except Exception as error:
            raise DataError(f"{name}: cannot be read any more: {error}. Is the data still in its place?") from error
        if digest(data) != self.digests[i]:
            raise DataError(f"{name}: changed while it was in use. Start the run again.")
        try:
            return decode(data)
        except Exception as error:  # decoders raise any error, see `_inspect`
            raise DataError(
                f"{name}: not a sound image: {_reason(error)}. Put the original file in its place."
            ) from error

    def name(self, i: int) -> str:
        """Names an image for messages.

        Args:
            i: Number of the image.

        Returns:
            Its name in the source.
        """
        return self.names[i]


def digest(data: bytes) -> str:
    """Hashes the bytes of an image file. 128 bits are enough to tell images apart.

    For images that are scaled to 8 bits (`fedsilo.data.files.bit_depth`) the hash also covers the version of the
    scaling, because cached features are stored under this digest.

    Args:
        data: Bytes of the file.

    Returns:
        First 32 hex digits of the sha256.
    """
    return hashlib.sha256((_SCALING if is_deep(data) else b"") + data).hexdigest()[:32]


def decode(data: bytes) -> Image.Image:
    """Returns the first frame of a file as RGB.

    Orientation tags are ignored but for a TIFF's, which Pillow applies: as in the published loaders.
    """
    return decoded(data)[0]


def decoded(data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Decodes the first frame of an image file.

    Args:
        data: Bytes of the file.

    Returns:
        The image as RGB, and the kinds of remarkable images that it belongs to.
    """
    with open_image(data) as image:
        require_readable(image)
        if has_depth(image):
            return scaled(image, data)
        image.load()
        plain = as_rgb(image)
    return plain, extent_of(plain)


def as_rgb(image: Image.Image) -> Image.Image:
    """Converts a loaded image of any mode to RGB.

    Transparent parts become white (the values stored under them are arbitrary). Values of more than 8 bits and floats
    are scaled by the image's own range, see `fedsilo.data.files.bit_depth`.

    Args:
        image: The loaded image.

    Returns:
        The image as RGB.
    """
    if has_depth(image):
        return scaled(image)[0]
    if image.has_transparency_data:
        # Pillow undoes premultiplied opacity (RGBa, La) only in a conversion to the same mode without it.
        opaque = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image.convert("RGB")


def inspect(source: Source, names: Sequence[str], pixels: bool = True) -> list[ImageCheck]:
    """Reads and checks files, each once.

    Args:
        source: Folder or archive of the files.
        names: (n,) names of the files in it.
        pixels: Whether to decode the files too. A published set does not need it: its digests come from the bytes, ten
            times as fast, and a broken image is reported when it is fetched.

    Returns:
        (n,) results, in order.
    """
    findings, told, due = [], _listener.get(), 0
    with closing(prefetch(lambda name: _inspect(source, name, pixels), names, min(8, cores()), _WINDOW)) as arriving:
        for finding in arriving:
            findings.append(finding)
            if len(findings) >= due or len(findings) == len(names):
                told(len(findings), len(names))
                due = len(findings) + _STEP
    return findings


@contextmanager
def inspection_told(told: Told) -> Iterator[None]:
    """Reports the progress of every `inspect` call inside the context, in any data set.

    `Dataset.load` takes only a seed, because its result depends on nothing else; so the caller passes its progress
    callback through this context.

    Args:
        told: Called with the number of checked files and the number of all.

    Yields:
        Nothing.
    """
    before = _listener.set(told)
    try:
        yield
    finally:
        _listener.reset(before)


def _inspect(source: Source, name: str, pixels: bool) -> ImageCheck:
    try:
        data = source.read(name)
    # Decoders and archives get arbitrary bytes here and raise any error: SyntaxError for a broken PNG,
    # RuntimeError for an encrypted member, struct.error and others. Each of them means only that this file is unusable.
    except Exception as error:
        return ImageCheck("", "", f"cannot be read: {_reason(error)}")
    if not data:
        return ImageCheck("", "", "empty file")
    if not pixels:
        return ImageCheck(digest(data), "", "")
    try:
        mode, kinds = _looked_at(data)
    except Exception as error:
        return ImageCheck("", "", _reason(error))
    return ImageCheck(digest(data), mode, "", kinds)


def _looked_at(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The mode of an image and what kinds it is of, after all of it was decoded."""
    with open_image(data) as image:
        mode = image.mode
        if image.format != "JPEG":
            return mode, decoded(data)[1]
        # A JPEG is decoded at an eighth of its size: this reads all of its bytes in half the time.
        image.draft(None, (1, 1))
        image.load()
        # Small images and fine patterns may be of one colour at that size and not at full size.
        return mode, extent_of(as_rgb(image)) and decoded(data)[1]


def _reason(error: Exception) -> str:
    """The error on one short line."""
    return " ".join(f"{error}".split())[:80] or type(error).__name__
