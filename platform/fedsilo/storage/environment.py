"""What a run ran on: versions, machine, command. Kept beside the results, since bits depend on it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fedsilo.storage.run_folder import read_json, write_json

NOISE = 2
"""Version of how keys become noise and samples; 1 was torch's generator, in float32."""

PACKAGES = (
    "fedsilo",
    "ray",
    "torch",
    "torchvision",
    "open_clip_torch",
    "pot",
    "opacus",
    "omegaconf",
    "numpy",
    "pandas",
    "pillow",
    "safetensors",
    "scikit-learn",
)


def environment() -> dict[str, Any]:
    """Returns versions, machine and command of this process, as plain values."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes() / 2**30, 1),
        "packages": versions(),
        "code": code(),
    }


def keep_environment(path: Path) -> None:
    """Writes the environment of a new run; that of a run gone on with is added below `resumed`, the first one stays.

    Raises:
        RunError: What is there is damaged, or the disk refuses.
    """
    here = environment()
    if not path.exists():
        write_json(path, here)
        return
    first = read_json(path)
    before = first.get("resumed")
    write_json(path, {**first, "resumed": [*(before if isinstance(before, list) else []), here]})


def versions() -> dict[str, str]:
    """Returns the version of every package the numbers depend on; "missing" where there is none."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def arithmetic() -> str:
    """Returns what the bits of training and noise depend on here beside the scenario, in one line.

    Two processes with the same line give the same bits on their CPUs; the number is that of the noise's generator.
    """
    import torch  # here: what only asks for versions need not load it

    capability = torch.backends.cpu.get_cpu_capability()
    return f"noise {NOISE}, fedsilo {code()[:12]}, torch {torch.__version__}, numpy {np.__version__}, {capability}"


@cache
def code() -> str:
    """Returns the hash of fedsilo's own source: a version number stays the same while one works on it."""
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}|".encode() + path.read_bytes())
    return digest.hexdigest()


def memory_bytes() -> int:
    """Returns the machine's memory in bytes, 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
