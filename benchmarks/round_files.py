"""How many files and functions of fedsilo one round passes through: what a reader has to open to follow it.

A tiny scenario (emblems, fedsilo-tiny, two clients, one thread) is prepared, and its rounds run in this process.
Counted is what is called from the end of the first round to the end of the second, evaluation included.

Run: python benchmarks/round_files.py [--method promptfl] [--functions]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import fedsilo
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import RoundRecord
from fedsilo.runs.run import RunCallbacks, begin, go

ROOT = Path(fedsilo.__file__).parent
AIM = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="promptfl")
    parser.add_argument("--functions", action="store_true", help="name the functions of each file")
    asked = parser.parse_args()
    found = passed_through(asked.method)
    for path in sorted(found):
        names = ", ".join(sorted(found[path])) if asked.functions else ""
        print(f"{len(found[path]):4} {path}  {names}".rstrip())
    functions = sum(map(len, found.values()))
    unnamed = sum(name.endswith(">") for names in found.values() for name in names)
    print(
        f"one round of {asked.method}: {len(found)} files (aim: at most {AIM}), {functions} functions, {unnamed} of "
        "them comprehensions, generator expressions and lambdas inside others"
    )


def passed_through(method: str) -> Mapping[str, set[str]]:
    """Returns the functions that the second round calls, by file of the package."""
    found: dict[str, set[str]] = {}

    def note(frame: FrameType, event: str, argument: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT):
            found.setdefault(str(path.relative_to(ROOT)), set()).add(frame.f_code.co_qualname)

    def watch(part: str, record: RoundRecord) -> None:
        """Is called after each round, as the command line's progress is."""
        sys.setprofile(note if (part, record.round) == (method, 0) else None)

    with tempfile.TemporaryDirectory() as folder:
        os.environ["FEDSILO_CACHE"] = f"{folder}/cache"
        try:
            go(begin(scenario(method, folder)), RunCallbacks(watch=watch))
        finally:
            sys.setprofile(None)
    return found


def scenario(method: str, folder: str) -> Any:
    return from_mapping(
        {
            "name": "round",
            "data": {"name": "emblems", "classes": 4, "train_per_class_and_domain": 2, "test_per_class_and_domain": 1},
            "partition": {"clients": 2},
            "method": {"name": method},
            "training": {"rounds": 3},
            "evaluation": {"references": []},
            "actors": {"backend": "serial"},
            "tracking": {"root": folder},
        }
    )


if __name__ == "__main__":
    main()
