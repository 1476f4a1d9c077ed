"""Plans of faults, their ledger, the blows that need no run, and what is told of it. No Ray is started."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsilo.cli.chaos_command import MARK, _write
from fedsilo_actors.fault_injection.fault_verdict import Verdict
from fedsilo_actors.fault_injection.faulty_run import FaultyRun


def trial(sha256: str, **changes: Any) -> FaultyRun:
    plain = FaultyRun(0, Path("runs/x"), (), (), (), sha256, {"m": sha256}, "", 10.0)
    return replace(plain, **changes)


def test_the_tables_take_the_place_of_the_ones_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fedsilo", "chaos", "a b.yaml", "--kill", "client:1"])
    struck = ({"kind": "kill client", "survived": True}, {"kind": "kill client", "survived": False})
    found = Verdict(trial("a" * 64), (trial("a" * 64, faults=struck, stops=("x",), seed=4), trial("b")))
    kinds = ["kill client", "hang client"]
    file = tmp_path / "f.md"
    file.write_text(f"before\n{MARK}old{MARK}\nafter\n")
    for _ in range(2):
        _write(file, found, kinds)
    lines = file.read_text().splitlines()
    assert (lines[0], lines[-1], "old" in lines) == ("before", "after", False)
    assert "    fedsilo chaos 'a b.yaml' --kill client:1" in lines
    assert "| kill client | 2 | 1 | 1 |" in lines
    assert "| hang client | 0 | 0 | 0 |" in lines
    assert "| 4 | 2 | 1 | 10 | equal |" in lines
    assert "| 0 | 0 | 0 | 10 | NOT EQUAL |" in lines
    _write(tmp_path / "new.md", found, kinds)
    assert (tmp_path / "new.md").read_text().startswith(MARK)
    assert json.dumps(found.document(kinds), default=str)
