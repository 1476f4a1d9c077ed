"""How long commands take before they do something, and how much of it is torch's own import.

    python benchmarks/startup.py

Each command is started in a process of its own, one after the other in every repetition, so that load on the machine
meets all of them. `import torch` is the reference. Printed is the shortest time of each, in seconds, and its share of
the reference; a command that does not import torch should stay far below it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CODE = "import sys; from fedsilo.cli import main; sys.argv[0] = 'fedsilo'; main()"
REFERENCE = "python -c 'import torch'"
MODULES = "python -c 'import fedsilo_actors.client_actor'"
COMMANDS: dict[str, tuple[str, ...]] = {
    "--version": ("--version",),
    "--help": ("--help",),
    "run --help": ("run", "--help"),
    "new": ("new", "study.yaml", "--force"),
    "run --wrong": ("run", "--wrong"),
    "run missing.yaml": ("run", "missing.yaml"),
    "list": ("list",),
    "describe method promptfl": ("describe", "method", "promptfl"),
    "validate": ("validate", "sound.yaml"),
    "validate, open_clip's weights": ("validate", "sound.yaml", "backbone.name=ViT-B-16", "backbone.pretrained=openai"),
}
FIRST_LINE = "run, its first line"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sound.yaml").write_text("method: promptfl\nactors: {backend: serial}\n")
        seconds = measured(folder, repetitions)
    torch = seconds[REFERENCE]
    print(f"{'command':32}{'seconds':>9}{'of torch':>10}")
    for command, took in seconds.items():
        print(f"{command:32}{took:9.2f}{took / torch:10.2f}")


def measured(folder: Path, repetitions: int) -> dict[str, float]:
    """Returns the shortest time of every command, seconds; the first repetition only warms the files up."""
    found: dict[str, list[float]] = {}
    for _ in range(repetitions + 1):
        found.setdefault(REFERENCE, []).append(ended(["-c", "import torch"], folder))
        found.setdefault(MODULES, []).append(ended(["-c", "import fedsilo_actors.client_actor"], folder))
        for command, words in COMMANDS.items():
            found.setdefault(command, []).append(ended(["-c", CODE, *words], folder))
        found.setdefault(FIRST_LINE, []).append(first_line(folder))
    return {command: min(times[1:]) for command, times in found.items()}


def ended(words: list[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=folder, capture_output=True)
    return time.perf_counter() - started


def first_line(folder: Path) -> float:
    """Returns when `fedsilo run` says its first line; it is then ended."""
    started = time.perf_counter()
    words = [sys.executable, "-c", CODE, "run", "sound.yaml"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()
        took = time.perf_counter() - started
        process.kill()
    return took


if __name__ == "__main__":
    main()
