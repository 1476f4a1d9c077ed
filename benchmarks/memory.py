"""Peak memory of preparing many images: files are looked at, encoded, and their features read as clients read them.

Image files (32 x 32 pixels of noise as JPEG, 10 classes) are written once; every row of the table is a process of its
own that prepares so many of them as `fedsilo run` does with `backend: serial` - survey, partition, the shipped
fedsilo-tiny with no stand-in, features - and then reads every feature once, in random order, 256 at a time. The peak
is the process's largest resident set (VmHWM of Linux); "above start" is without what it has before it looks at the
first file: Python, torch, the model. "cold" has to encode, "again" finds the features in the cache, "gathered" is what
is done for clients on several machines, and was always done before: everything in one array.

Run: python benchmarks/memory.py [--images 2000 10000 50000] [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.loading import load
from fedsilo.simulation import preparation
from fedsilo.simulation.serial import SerialRuntime

CLASSES, TESTS, BATCH, MB = 10, 200, 256, 1e6
METHODS = {"pooled": "promptfl", "tokens": "fedotp"}
SIZE = (32, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[2_000, 10_000, 50_000])
    parser.add_argument("--threads", type=int, default=1, help="torch threads of the tower")
    parser.add_argument("--measure", nargs=3, metavar=("ROOT", "KIND", "WAY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.measure:
        print(json.dumps(measured(*given.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), given.images, given.threads)


def compare(folder: Path, sizes: list[int], threads: int) -> None:
    print(
        "features  way       images   features, MB   files, s   encoding, s   reading, s   above start, MB   peak, MB"
    )
    peaks: dict[tuple[str, str], list[float]] = {}
    for count in sizes:
        root = folder / str(count)
        write(root, count)
        for kind in METHODS:
            for way in ("cold", "again", "gathered"):
                found = apart(root, kind, way, folder / "cache", threads)
                peaks.setdefault((kind, way), []).append(found["grown"])
                print(
                    f"{kind:<8}  {way:<8}{count:>8,}{found['features']:>15,.0f}{found['files_s']:>11.1f}"
                    f"{found['encoding_s']:>14.1f}{found['reading_s']:>13.1f}{found['grown']:>18,.0f}{found['peak']:>11,.0f}",
                    flush=True,
                )
    for (kind, way), grown in peaks.items():
        each = (grown[-1] - grown[0]) / max(sizes[-1] - sizes[0], 1) * 1e3
        print(f"{kind}, {way}: {each:.2f} kB more for each image from {sizes[0]:,} to {sizes[-1]:,}")


def write(root: Path, count: int) -> None:
    """Writes so many training images and a few for testing."""
    for split, number, seed in (("train", count, 0), ("test", TESTS, 1)):
        generator = np.random.default_rng((seed, count))
        for i in range(number):
            path = root / split / f"class {i % CLASSES}" / f"{i:06}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(path)


def apart(root: Path, kind: str, way: str, cache: Path, threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--threads", str(threads), "--measure", str(root), kind, way]
    environment = {**os.environ, "FEDSILO_CACHE": str(cache / kind)}  # each kind begins cold
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measured(root: str, kind: str, way: str) -> dict[str, float]:
    """What one preparation took; seconds and MB."""
    scenario = from_mapping(
        {
            "data": {"name": "image_folder", "root": root, "layout": "splits"},
            "partition": {"name": "dirichlet", "clients": 10},
            "method": METHODS[kind],
            "actors.backend": "serial",
        }
    )
    runtime: Any = SerialRuntime("cpu")
    if way == "gathered":
        runtime.one_machine = lambda: False
    load(scenario.backbone, scenario.seed).images.encode(torch.zeros(64, 3, 64, 64), kind == "tokens")
    before, began = forget_peak(), time.perf_counter()
    seen: list[float] = []
    prepared = preparation.prepare(
        scenario,
        [scenario.method],
        runtime,
        lambda stage, done, total: seen.append(time.perf_counter()) if stage != "image files" else None,
    )
    ready = time.perf_counter()
    size = read(prepared.warehouse.train)
    end, found = time.perf_counter(), peak()
    first = seen[0]
    assert (way == "gathered") <= isinstance(prepared.warehouse.train.source, CachedFeatures)
    return {
        "files_s": first - began,
        "encoding_s": ready - first,
        "reading_s": end - ready,
        "features": size / MB,
        "grown": found - before,
        "peak": found,
    }


def read(source: Any) -> int:
    """Reads all features once in random order; returns their bytes."""
    size = 0
    for indices in np.array_split(np.random.default_rng(0).permutation(len(source)), max(1, len(source) // BATCH)):
        pooled, tokens = source.batch(indices, 0)
        size += pooled.nbytes + (0 if tokens is None else tokens.nbytes)
    return size


def forget_peak() -> float:
    """The resident set of now, MB, which Linux takes for the largest so far from here on; else the largest so far."""
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")
    return peak()


def peak() -> float:
    """The largest resident set so far, MB."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / MB
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / MB if sys.platform == "darwin" else used * 1024 / MB


if __name__ == "__main__":
    main()
