"""What decoding beside the image tower gains: seconds per 1,000 JPEG files, and the share that decoding has.

JPEG files of noise over shapes are written to a folder and encoded by the shipped fedsilo-tiny: one after the other
(read, decode, preprocess 64 images, then the tower; as it was done before), and as `encode_chunks` does it, for
several numbers of threads. Features must be the same bits. Every way is repeated in turn and the fastest is shown,
so that what else the machine does hits all alike. Nothing is cached but the files themselves by the system.

Run: python benchmarks/decoding.py [--images 512] [--width 500 --height 375] [--repetitions 3] [--readers 1 2 4]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from fedsilo.core import Examples
from fedsilo.data.files.file_sources import FolderSource
from fedsilo.data.files.image_reading import FileImages, digest
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.features import Viewing, encode_chunks, split_into_chunks
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.loading import load

FORWARD = 64
KINDS = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--height", type=int, default=375)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--threads", type=int, default=1, help="torch threads of the tower")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    encoder = load(Backbone(device="cpu"), 0).images
    with tempfile.TemporaryDirectory() as folder:
        examples = files(Path(folder), given.images, (given.width, given.height))
        report(encoder, examples, given.readers, given.repetitions)


def files(folder: Path, count: int, size: tuple[int, int]) -> Examples:
    """JPEG files with the bytes per pixel of photographs; some pictures come again, under names of their own."""
    names, digests = [], []
    for number in range(count):
        path = folder / f"{number}.jpg"
        picture(number % KINDS, size).save(path, quality=90)
        names.append(path.name)
        digests.append(digest(path.read_bytes()))
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{count} JPEG files of {size[0]} x {size[1]} pixels, {total / count / 1e3:.0f} kB each")
    nothing = np.zeros(count, dtype=np.int64)
    return Examples(
        nothing, nothing, FileImages(FolderSource(str(folder)), tuple(names), tuple(digests)), tuple(digests)
    )


def picture(number: int, size: tuple[int, int]) -> Image.Image:
    generator = np.random.default_rng(number)
    coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    grain = Image.fromarray(generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    return Image.blend(coarse, grain.filter(ImageFilter.GaussianBlur(1)), 0.25)


def report(encoder: ImageEncoder, examples: Examples, readers: list[int], repetitions: int) -> None:
    ways: dict[str, Callable[[], np.ndarray]] = {"one after the other": lambda: one_by_one(encoder, examples)}
    for count in readers:
        ways[f"{count} reading thread{'s'[: count > 1]}"] = lambda count=count: beside(encoder, examples, count)
    shown = {"decoding alone": lambda: [prepared(encoder, examples, i) for i in range(len(examples))]}
    seconds: dict[str, list[float]] = {}
    reference = one_by_one(encoder, examples)  # the first time is slower for all that is loaded with it
    for _ in range(repetitions):
        for name, way in {**ways, **shown}.items():
            began = time.perf_counter()
            found = way()
            seconds.setdefault(name, []).append(time.perf_counter() - began)
            if name in ways and not np.array_equal(found, reference):
                raise SystemExit(f"{name}: other bits")
    best = {name: min(times) / len(examples) * 1e3 for name, times in seconds.items()}
    before = best["one after the other"]
    print(f"share of decoding, one after the other: {100 * best['decoding alone'] / before:.0f} %")
    for name, value in best.items():
        print(f"{name:<24} {value:7.2f} s per 1,000 images   {before / value:5.2f} x")


def prepared(encoder: ImageEncoder, examples: Examples, i: int) -> torch.Tensor:
    return encoder.preprocessing.view(examples.fetch(i), 0, examples.digests[i], 0)


def one_by_one(encoder: ImageEncoder, examples: Examples) -> np.ndarray:
    parts = []
    for start in range(0, len(examples), FORWARD):
        stop = min(start + FORWARD, len(examples))
        batch = torch.stack([prepared(encoder, examples, i) for i in range(start, stop)])
        parts.append(encoder.encode(batch)[0].numpy())
    return np.concatenate(parts)


def beside(encoder: ImageEncoder, examples: Examples, threads: int) -> np.ndarray:
    wanted = split_into_chunks(encoder, examples, Viewing())
    return np.concatenate([encoded.columns["image"] for encoded in encode_chunks(encoder, examples, wanted, threads)])


if __name__ == "__main__":
    main()
