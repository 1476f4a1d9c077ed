"""Image bytes into pixels, and checking many files at once."""

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
"""told(done, total): files that were looked at."""

_WINDOW = 256
"""Files under way at once, at most."""

_SCALING = b"fedsilo scales by an image's own range, 3: "
"""Part of the digest of images that are scaled to 8 bits. Change it when `fedsilo.data.files.bit_depth` changes."""

_STEP = 100
"""Files from one word of progress to the next."""

_listener: ContextVar[Told] = ContextVar("inspection", default=lambda done, total: None)


@dataclass(frozen=True, slots=True)
class Finding:
    """What checking one file showed.

    Attributes:
        digest: First half of the sha256 of its bytes, hex.
        mode: Colour mode in Pillow's words, for example "RGB" or "L"; "" when it was not decoded.
        fault: Why it cannot be used; "" when it can.
        kinds: What people should know about it, in the words of `fedsilo.data.files.bit_depth`.
    """

    digest: str
    mode: str
    fault: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileImages:
    """Reads image i as RGB.

    Attributes:
        source: Where the files are.
        names: (n,) names of the files in the source.
        digests: (n,) their digests when the data was loaded.
    """

    source: Source
    names: tuple[str, ...]
    digests: tuple[str, ...]

    def __call__(self, i: int) -> Image.Image:
        """Returns image i. Raises DataError when the file is not the one that was checked."""
        name = self.names[i]
        try:
            data = self.source.read(name)
        except Exception as error:
            raise DataError(f"{name}: cannot be read any more: {error}. Is the data still in its place?") from error
        if digest(data) != self.digests[i]:
            raise DataError(f"{name}: changed while it was in use. Start the run again.")
        try:
            return decode(data)
        except Exception as error:  # decoders raise what they like, see `_inspect`
            raise DataError(
                f"{name}: not a sound image: {_reason(error)}. Put the original file in its place."
            ) from error

    def name(self, i: int) -> str:
        """Returns the name of image i in the source."""
        return self.names[i]


def digest(data: bytes) -> str:
    """First half of a sha256, hex: 128 bits, plenty to tell images apart.

    Of the bytes alone, but for images that are scaled to 8 bits (`fedsilo.data.files.bit_depth`): how that is done
    belongs to what is known of them, since features are kept under this name.
    """
    return hashlib.sha256((_SCALING if is_deep(data) else b"") + data).hexdigest()[:32]


def decode(data: bytes) -> Image.Image:
    """Returns the first frame of a file as RGB.

    Orientation tags are ignored but for a TIFF's, which Pillow applies: as in the published loaders.
    """
    return decoded(data)[0]


def decoded(data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Returns the first frame of a file as RGB, and what kinds of remarkable images it is of."""
    with open_image(data) as image:
        require_readable(image)
        if has_depth(image):
            return scaled(image, data)
        image.load()
        plain = as_rgb(image)
    return plain, extent_of(plain)


def as_rgb(image: Image.Image) -> Image.Image:
    """Returns a loaded image of any mode as RGB.

    Transparent parts become white (what was stored under them is arbitrary); values of more than 8 bits and floats are
    scaled by the image's own range, see `fedsilo.data.files.bit_depth`.
    """
    if has_depth(image):
        return scaled(image)[0]
    if image.has_transparency_data:
        # Pillow undoes multiplied opacity (RGBa, La) only on the way to the same mode without it.
        opaque = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image.convert("RGB")


def inspect(source: Source, names: Sequence[str], pixels: bool = True) -> list[Finding]:
    """Reads all files once and returns what was found, in order.

    Args:
        source: Where they are.
        names: Which ones.
        pixels: Whether to decode them too. A published set need not be: its digests come from the bytes, ten times
            as fast, and an image that is broken after all is reported when it is fetched.
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
    """Has whatever is inspected meanwhile, deep in whichever data set, tell how far it is.

    `Dataset.load` takes a seed and nothing else: what it returns is a function of it, and what it looks like while it
    lasts is nobody's business but that of who waits.
    """
    before = _listener.set(told)
    try:
        yield
    finally:
        _listener.reset(before)


def _inspect(source: Source, name: str, pixels: bool) -> Finding:
    try:
        data = source.read(name)
    # Decoders and archives meet arbitrary bytes here, and raise what they like: SyntaxError for a broken PNG,
    # RuntimeError for an encrypted member, struct.error and more. Each only means that this file is unusable.
    except Exception as error:
        return Finding("", "", f"cannot be read: {_reason(error)}")
    if not data:
        return Finding("", "", "empty file")
    if not pixels:
        return Finding(digest(data), "", "")
    try:
        mode, kinds = _looked_at(data)
    except Exception as error:
        return Finding("", "", _reason(error))
    return Finding(digest(data), mode, "", kinds)


def _looked_at(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The mode of an image and what kinds it is of, after all of it was decoded."""
    with open_image(data) as image:
        mode = image.mode
        if image.format != "JPEG":
            return mode, decoded(data)[1]
        # A JPEG is decoded at an eighth of its size: all of its bytes are read, in half the time.
        image.draft(None, (1, 1))
        image.load()
        # Small images and fine patterns may have one colour at that size only.
        return mode, extent_of(as_rgb(image)) and decoded(data)[1]


def _reason(error: Exception) -> str:
    """The error on one short line."""
    return " ".join(f"{error}".split())[:80] or type(error).__name__
