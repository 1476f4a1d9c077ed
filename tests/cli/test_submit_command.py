"""Refusals of `fedsilo submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "submit: a scenario is missing. Give the path of a scenario file, or --resume RUN."),
        (["s.yaml", "--resume", "runs/a"], "submit: --resume has its own scenario and name."),
        (["s.yaml", "training.rounds=0"], "command line: training.rounds: must be"),
        (["s.yaml", "--address", "ray://h:1"], "--address: 'ray://h:1' is for Ray's client"),
    ],
)
def test_what_cannot_be_submitted_is_one_line(command: Any, here: Path, words: list[str], says: str) -> None:
    out, error = command("submit", here)(*words, code=2)
    assert out == ""
    assert error.startswith(says)
    assert len(error.splitlines()) == 1
