"""What a run ran on: versions, machine, command. Written beside the results, because bits depend on it."""

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


def describe_environment() -> dict[str, Any]:
    """Describes versions, machine and command of this process.

    Returns:
        Plain values for environment.json.
    """
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gib": round(measure_memory() / 2**30, 1),
        "packages": read_versions(),
        "code": hash_source(),
    }


def keep_environment(path: Path) -> None:
    """Writes the environment of a new run, or adds that of a resumption under `resumed`.

    Args:
        path: The file environment.json.

    Raises:
        RunError: The file is damaged, or the disk refuses.
    """
    here = describe_environment()
    if not path.exists():
        write_json(path, here)
        return
    first = read_json(path)
    before = first.get("resumed")
    write_json(path, {**first, "resumed": [*(before if isinstance(before, list) else []), here]})


def read_versions() -> dict[str, str]:
    """Reads the versions of the packages that the numbers depend on.

    Returns:
        Version by package; "missing" where it is not installed.
    """
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def describe_arithmetic() -> str:
    """Describes what the bits of training and noise depend on, beside the scenario.

    Two processes with the same line compute the same bits on their CPUs.

    Returns:
        One line: version of the noise, hash of the source, versions of torch and numpy, instruction set.
    """
    import torch  # imported here: a caller that asks for versions only need not load it

    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"noise {NOISE}, fedsilo {hash_source()[:12]}, torch {torch.__version__}, numpy {np.__version__}, {capability}"
    )


@cache
def hash_source() -> str:
    """Hashes fedsilo's own source, because its version number stays the same during development.

    Returns:
        SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}|".encode() + path.read_bytes())
    return digest.hexdigest()


def measure_memory() -> int:
    """Measures the machine's memory.

    Returns:
        Bytes; 0 where the system does not tell.
    """
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
