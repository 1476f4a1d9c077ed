"""Images of every mode and depth, compared with the values that were written."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples
from fedsilo.data.files.bit_depth import EQUAL, FAINT, MISSING, OUTLIERS, SCALED, is_deep
from fedsilo.data.files.file_sources import FolderSource
from fedsilo.data.files.image_reading import FileImages, as_rgb, decode, decoded, digest, inspect
from fedsilo.models.clip.features import Viewing, encode_chunks, split_into_chunks
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.views import Preprocessing

RAMP = np.arange(48).reshape(6, 8)
"""Values from 0 to 47 in the form of an image."""


def stretched(values: Any) -> np.ndarray:
    """What an image of these values has to look like."""
    low, high = np.min(values), np.max(values)
    return np.floor((values - low) / (high - low) * 255 + 0.5).astype(np.uint8)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png(values: np.ndarray, kind: int, extra: bytes = b"") -> bytes:
    """A PNG of 16 bits per channel, which Pillow cannot write in colour; kinds are those of the standard."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [chunk(b"IHDR", head), extra and chunk(b"tRNS", extra), chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def tiff(
    values: np.ndarray,
    order: str,
    samples: int,
    form: int,
    *,
    packed: bool = False,
    other: dict[int, tuple[int, list[int]]] | None = None,
) -> bytes:
    """A TIFF of one strip; `form` is 1 for whole numbers, 2 with sign, 3 for floats; `other` are more tags."""
    content = zlib.compress(values.tobytes()) if packed else values.tobytes()
    bits = 8 * values.dtype.itemsize
    tags = {
        256: (3, [values.shape[1]]),
        257: (3, [values.shape[0]]),
        258: (3, [bits] * samples),
        259: (3, [8 if packed else 1]),
        262: (3, [2 if samples > 2 else 1]),
        273: (4, [8]),
        277: (3, [samples]),
        278: (3, [values.shape[0]]),
        279: (4, [len(content)]),
        **({338: (3, [2])} if samples == 4 else {}),
        339: (3, [form] * samples),
        **(other or {}),
    }
    start = 8 + len(content) + len(content) % 2
    after = start + 2 + 12 * len(tags) + 4
    table, tail = struct.pack(f"{order}H", len(tags)), b""
    for tag, (kind, entries) in sorted(tags.items()):
        raw = struct.pack(f"{order}{len(entries)}{'.BHI'[kind - 1]}", *entries)
        where = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(f"{order}I", after + len(tail))
        tail += raw if len(raw) > 4 else b""
        table += struct.pack(f"{order}HHI", tag, kind, len(entries)) + where
    begin = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    return begin + content.ljust(start - 8, b"\0") + table + struct.pack(f"{order}I", 0) + tail


def fits(values: np.ndarray) -> bytes:
    """A FITS file of 16 bits, whose lowest row comes first."""
    cards = {"SIMPLE": "T", "BITPIX": 16, "NAXIS": 2, "NAXIS1": values.shape[1], "NAXIS2": values.shape[0]}
    head = "".join(f"{name:8}= {value:>20}".ljust(80) for name, value in cards.items()) + "END"
    return head.ljust(2880).encode() + values.tobytes()


GREY = {
    "float 0..1": saved(Image.fromarray((RAMP / 47).astype(np.float32)), "TIFF"),
    "float, packed": saved(Image.fromarray((RAMP / 47).astype(np.float32)), "TIFF", compression="tiff_lzw"),
    "float 300..347": saved(Image.fromarray((RAMP + 300).astype(np.float32)), "TIFF"),
    "float, most significant first": tiff((RAMP / 7).astype(">f4"), ">", 1, 3),
    "32 bits": saved(Image.fromarray((RAMP * 50_000_000 - 2**31).astype(np.int32)), "TIFF"),
    "32 bits without sign": tiff((RAMP * 90_000_000).astype("<u4"), "<", 1, 1),
    "8 bits with sign": tiff((RAMP - 20).astype("i1"), "<", 1, 2),
    "8 bits with sign, packed": tiff((RAMP - 20).astype("i1"), ">", 1, 2, packed=True),
    "16 bits with sign": tiff((RAMP - 20).astype("<i2"), "<", 1, 2),
    "8 bits in 16": saved(Image.fromarray(RAMP.astype(np.uint16)), "PNG"),
    "12 bits in 16": saved(Image.fromarray((RAMP * 87).astype(np.uint16)), "PNG"),
    "16 bits": saved(Image.fromarray((RAMP * 1394).astype(np.uint16)), "TIFF"),
    "16 bits, most significant first": tiff((RAMP * 1394).astype(">u2"), ">", 1, 1),
    "float, most significant first, packed": tiff((RAMP / 7).astype(">f4"), ">", 1, 3, packed=True),
    "32 bits, most significant first, packed": tiff((RAMP * 50_000_000 - 2**31).astype(">i4"), ">", 1, 2, packed=True),
    "16 bits with sign, most significant first, packed": tiff((RAMP - 20).astype(">i2"), ">", 1, 2, packed=True),
    "FITS of 16 bits with sign": fits((RAMP[::-1] - 20).astype(">i2")),
    "PGM of 12 bits": b"P5 8 6 4095\n" + (RAMP * 87).astype(">u2").tobytes(),
    "JPEG 2000": saved(Image.fromarray((RAMP * 87).astype(np.uint16)), "JPEG2000"),
}


@pytest.mark.parametrize("data", GREY.values(), ids=GREY)
def test_grey_of_any_depth_keeps_its_whole_range(data: bytes) -> None:
    image, kinds = decoded(data)
    assert image.mode == "RGB"
    assert kinds == (SCALED,)
    assert np.abs(np.asarray(image).astype(int) - stretched(RAMP)[..., None]).max() <= 1
    assert is_deep(data)


COLOURS = np.random.default_rng(0).integers(0, 200, (5, 7, 4))
"""Values that fit into 8 bits: their upper halves are all nought."""


@pytest.mark.parametrize("factor", [1, 16, 300])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("form", ["png", "tiff <", "tiff >", "tiff < packed", "tiff > packed"])
def test_sixteen_bits_of_colour_keep_both_halves(form: str, channels: int, factor: int) -> None:
    values = factor * COLOURS[..., :channels]
    if channels == 4:
        values[..., 3] = 65_535
    if form == "png":
        data = png(values, 2 if channels == 3 else 6)
    else:
        order = form.split()[1]
        data = tiff(values.astype(f"{order}u2"), order, channels, 1, packed="packed" in form)
    assert np.array_equal(np.asarray(decode(data)), stretched(values[..., :3]))
    assert is_deep(data)


def test_transparent_parts_of_deep_images_are_white_and_do_not_count() -> None:
    grey = np.stack([RAMP.copy(), np.full_like(RAMP, 65_535)], axis=2)
    grey[0, 0] = (60_000, 0)
    grey[5, 7] = (47, 65_535 // 2)
    pixels = np.asarray(decode(png(grey, 4)))[..., 0].astype(int)
    assert pixels[0, 0] == 255
    expected = stretched(np.where(np.arange(48).reshape(6, 8) == 0, 1, RAMP)).astype(int)
    assert np.array_equal(pixels.ravel()[1:-1], expected.ravel()[1:-1])
    assert abs(pixels[5, 7] - 255) <= 1
    one_clear = png(RAMP, 0, struct.pack(">H", 47))
    assert np.array_equal(np.asarray(decode(one_clear))[..., 0].ravel()[:-1], stretched(RAMP.ravel()[:-1]))
    assert decode(one_clear).getpixel((7, 5)) == (255, 255, 255)
    colour = png(COLOURS[..., :3], 2, struct.pack(">HHH", *COLOURS[2, 3, :3]))
    assert decode(colour).getpixel((3, 2)) == (255, 255, 255)


def test_what_is_missing_is_black_and_does_not_set_the_range() -> None:
    values = RAMP.astype(np.float32)
    values[0, :3] = (np.nan, np.inf, -np.inf)
    image, kinds = decoded(saved(Image.fromarray(values), "TIFF"))
    assert kinds == (SCALED, MISSING)
    assert np.array_equal(np.asarray(image)[0, :3, 0], [0, 0, 0])
    assert np.array_equal(np.asarray(image)[1:, :, 0], np.floor((RAMP[1:] - 3) / 44 * 255 + 0.5))
    values[0, :3] = -9999
    image, kinds = decoded(saved(Image.fromarray(values), "TIFF", tiffinfo={42113: "-9999"}))
    assert kinds == (SCALED, MISSING)
    assert np.asarray(image)[0, 3, 0] == 0
    assert np.asarray(image)[5, 7, 0] == 255


def test_no_data_is_found_among_whole_numbers_that_single_precision_rounds() -> None:
    values = RAMP.astype("<u4")
    values[0, 0] = 4_294_967_295
    _, kinds = decoded(tiff(values, "<", 1, 1, other={42113: (2, list(b"4294967295\0"))}))
    assert kinds == (SCALED, MISSING)


def test_what_cannot_be_no_data_is_passed_over_in_silence(recwarn: pytest.WarningsRecorder) -> None:
    values = Image.fromarray(RAMP.astype(np.float32))
    assert decoded(saved(values, "TIFF", tiffinfo={42113: "1e60"}))[1] == (SCALED,)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("values", "form"), [((RAMP * 1394).astype("<u2"), 1), ((RAMP * 1394).astype("<f4"), 3)], ids=["whole", "float"]
)
def test_grey_whose_lowest_value_is_white_is_turned_round(values: np.ndarray, form: int) -> None:
    white = {262: (3, [0])}
    data = tiff(values, "<", 1, form, other=white)
    assert np.array_equal(np.asarray(decode(data))[..., 0], stretched(-RAMP))
    image, kinds = decoded(tiff(values, "<", 1, form, other=white | {42113: (2, list(b"65518\0"))}))
    assert kinds == (SCALED, MISSING)
    assert image.getpixel((7, 5)) == (0, 0, 0)
    assert image.getpixel((6, 5)) == (0, 0, 0)
    assert image.getpixel((0, 0)) == (255, 255, 255)


REFUSED = {
    "64-bit floats": (tiff((RAMP / 7).astype("<f8"), "<", 1, 3), "TIFF of 64-bit floats"),
    "colours of floats": (tiff(np.dstack([RAMP] * 3).astype("<f4"), "<", 3, 3), "TIFF of 32-bit floats"),
    "colours with sign": (tiff(np.dstack([RAMP] * 3).astype("i1"), "<", 3, 2), "TIFF of 8-bit signed integers"),
    "no pixels": (tiff(np.zeros((0, 0), "u1"), "<", 1, 1), "it has no pixels"),
    "damaged": (b"II*\0\1", "TIFF: "),
    "text": (b"no image at all", "not an image"),
}


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_by_format_and_values(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(data)
    fault = inspect(FolderSource(str(tmp_path)), ["a.tif"])[0].fault
    assert fault.startswith("TIFF" if data[:2] == b"II" else reason)
    assert reason in fault
    assert not is_deep(data)


@pytest.mark.parametrize("order", "<>")
def test_colours_that_are_multiplied_by_their_opacity_keep_both_halves(order: str) -> None:
    values = np.dstack([RAMP * 40, RAMP * 20, RAMP * 30, np.full_like(RAMP, 65_535)])
    values[2] //= 2
    values[0, :, :3] = RAMP[0][:, None]
    data = tiff(values.astype(f"{order}u2"), order, 4, 1, other={338: (3, [1])})
    image, kinds = decoded(data)
    colours = stretched(np.divide(values[..., :3], values[..., 3:] / 65_535))
    assert kinds == (SCALED,)
    assert is_deep(data)
    assert np.array_equal(np.delete(np.asarray(image), 2, axis=0), np.delete(colours, 2, axis=0))
    assert np.abs(np.asarray(image)[2].astype(int) - (colours[2] + 255.0) / 2).max() <= 1


def test_planes_of_sixteen_bits_are_refused_and_those_of_eight_read(tmp_path: Path) -> None:
    for bits in (8, 16):
        planes = np.stack([RAMP, 2 * RAMP, 3 * RAMP]).astype(f"<u{bits // 8}")
        size = planes.nbytes // 3
        places = {273: (4, [8, 8 + size, 8 + 2 * size]), 279: (4, [size] * 3), 278: (4, [6]), 284: (3, [2])}
        shape = {256: (3, [8]), 257: (3, [6])}
        (tmp_path / f"{bits}.tif").write_bytes(tiff(planes, "<", 3, 1, other=places | shape))
    eight, sixteen = inspect(FolderSource(str(tmp_path)), ["8.tif", "16.tif"])
    assert eight.fault == ""
    assert "separate planes" in sixteen.fault


@pytest.mark.parametrize("size", [(1, 201), (603, 3)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_image_that_is_too_elongated_to_be_resized_is_refused(
    size: tuple[int, int], form: str, tmp_path: Path
) -> None:
    Image.new("L", size).save(tmp_path / "long", form)
    Image.new("L", (1, 200)).save(tmp_path / "sound", form)
    long, sound = inspect(FolderSource(str(tmp_path)), ["long", "sound"])
    assert f"{size[0]} by {size[1]} pixels" in long.fault
    assert not sound.fault


def test_a_large_image_is_read_without_a_warning_of_python_s() -> None:
    code = """if True:
        import io
        from PIL import Image
        from fedsilo.data.files.image_reading import decode
        stream = io.BytesIO()
        Image.new("L", (8, 8)).save(stream, "PNG")
        Image.MAX_IMAGE_PIXELS = 40
        assert decode(stream.getvalue()).size == (8, 8)
    """
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stderr == b""


def test_an_image_without_any_value_is_a_broken_one(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), np.nan, dtype=np.float32)).save(tmp_path / "none.tif")
    (finding,) = inspect(FolderSource(str(tmp_path)), ["none.tif"])
    assert "no pixel has a value" in finding.fault


def test_a_constant_is_never_silent(tmp_path: Path) -> None:
    flat = Image.fromarray(np.full((4, 4), 700, dtype=np.uint16))
    outlier = RAMP.astype(np.float32).repeat(10, axis=0)
    outlier[0, 0] = 1e9
    files = {
        "deep.png": saved(flat, "PNG"),
        "plain.png": saved(Image.new("RGB", (4, 4), "red"), "PNG"),
        "plain.jpg": saved(Image.new("L", (64, 64), 90), "JPEG"),
        "outlier.tif": saved(Image.fromarray(outlier), "TIFF"),
        "lost.ppm": b"P6 8 2 65535\n" + (RAMP * 20).astype(">u2").tobytes(),
        "opacity.png": png(np.dstack([RAMP] * 3 + [np.full_like(RAMP, 255)]), 6),
        "sound.png": saved(Image.fromarray((RAMP * 5).astype(np.uint8)), "PNG"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = inspect(FolderSource(str(tmp_path)), list(files))
    assert [finding.kinds for finding in found] == [
        (SCALED, EQUAL),
        (EQUAL,),
        (EQUAL,),
        (SCALED, OUTLIERS),
        (FAINT,),
        (SCALED, FAINT),
        (),
    ]


@pytest.mark.parametrize("size", [8, 64])
def test_a_jpeg_that_is_flat_only_at_an_eighth_of_its_size_is_not_called_so(size: int, tmp_path: Path) -> None:
    board = (np.indices((size, size)).sum(0) % 2 * 255).astype(np.uint8)
    (tmp_path / "board.jpg").write_bytes(saved(Image.fromarray(board), "JPEG", quality=95))
    assert inspect(FolderSource(str(tmp_path)), ["board.jpg"])[0].kinds == ()


MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_eight_bits_becomes_rgb_and_keeps_what_is_in_it(mode: str) -> None:
    grey = Image.fromarray(np.array([[0, 255], [255, 0]], dtype=np.uint8))
    by_way_of = {"La": "LA", "RGBa": "RGBA", "LAB": "RGB", "HSV": "RGB", "PA": "P"}
    first = grey.convert(by_way_of[mode]) if mode in by_way_of else grey
    image = Image.merge("LAB", [grey, *[Image.new("L", (2, 2), 128)] * 2]) if mode == "LAB" else first.convert(mode)
    assert image.mode == mode
    pixels = np.asarray(as_rgb(image)).astype(int)
    assert pixels.shape == (2, 2, 3)
    assert pixels[0, 0].max() <= 3
    assert pixels[0, 1].min() >= 252


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "I;16B", "I;16L"])
def test_every_loaded_mode_of_more_bits_is_scaled(mode: str) -> None:
    image = Image.new(mode, (2, 1))
    image.putpixel((0, 0), 1000)
    image.putpixel((1, 0), 1100)
    assert np.array_equal(np.asarray(as_rgb(image))[0, :, 0], [0, 255])


def test_the_digest_of_a_scaled_image_is_not_that_of_its_bytes_and_others_keep_theirs() -> None:
    import hashlib

    for data in (GREY["16 bits"], GREY["8 bits in 16"], png(COLOURS[..., :3], 2), GREY["float 0..1"]):
        assert digest(data) != hashlib.sha256(data).hexdigest()[:32]
    eight = Image.fromarray(RAMP.astype(np.uint8))
    for data in (saved(eight, form) for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")):
        assert digest(data) == hashlib.sha256(data).hexdigest()[:32]
        assert not is_deep(data)
    assert digest(b"no image") == hashlib.sha256(b"no image").hexdigest()[:32]


def test_serial_threads_and_encoders_see_the_same_pixels(tmp_path: Path) -> None:
    import torch

    names = tuple(f"{number}.tif" for number in range(len(GREY)))
    for name, data in zip(names, GREY.values(), strict=True):
        (tmp_path / name).write_bytes(data)
    source = FolderSource(str(tmp_path))
    digests = tuple(finding.digest for finding in inspect(source, names))
    places = np.zeros(len(names), dtype=np.int64)
    examples = Examples(places, places, FileImages(source, names, digests), digests)
    encoder = ImageEncoder(torch.nn.Flatten(), Preprocessing(8, 8, (0.5,) * 3, (0.5,) * 3), "weights")
    wanted = split_into_chunks(encoder, examples, Viewing())
    serial, threads = ([part.columns["image"] for part in encode_chunks(encoder, examples, wanted, n)] for n in (1, 4))
    assert np.array_equal(serial, threads)
    assert np.ptp(serial[0], axis=1).min() > 1
