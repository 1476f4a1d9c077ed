"""Result hashes of scenarios at a few rounds: equal lines of two versions mean equal bits.

    python benchmarks/hashes.py [--rounds 3] [--out FILE] [SCENARIO ...]

Runs each scenario serially in a temporary folder and prints the name with the sha256 of its result, or the line that
refuses it. Run it in two checkouts on one machine and compare the outputs. Without scenarios: the quickstart and all
of scenarios/methods, shifts, privacy and stragglers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import FedsiloError
from fedsilo.runs.run import begin, go

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"
GROUPS = ("methods", "shifts", "privacy", "stragglers")


def main() -> None:
    """Prints the hashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a file that every line is added to at once")
    asked = parser.parse_args()
    files = asked.scenarios or [
        FOLDER / "quickstart.yaml",
        *(f for g in GROUPS for f in sorted((FOLDER / g).glob("*.yaml"))),
    ]
    for file in files:
        line = f"{'/'.join(file.parts[-2:])}  {result_hash(file, asked.rounds)}"
        print(line, flush=True)
        if asked.out:
            with asked.out.open("a", encoding="utf-8") as out:
                out.write(line + "\n")


def result_hash(file: Path, rounds: int) -> str:
    """Returns the sha256 of a scenario's result after some rounds, or why it cannot be run, one line."""
    changes = [f"training.rounds={rounds}", "actors={backend: serial}"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            scenario = read(file, [*changes, f"tracking.root={folder}"])
            return str(go(begin(scenario)).result["sha256"])
        except FedsiloError as error:
            return f"refused: {str(error).splitlines()[0]}"


if __name__ == "__main__":
    sys.exit(main())
