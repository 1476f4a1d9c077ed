"""`fedsilo run --folder`, `fedsilo resume` on other machines, and refusals of `fedsilo submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.runs.run import begin

SMALL = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2}
method: {name: promptfl, context_length: 2}
training: {rounds: 1, batch_size: 8}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SMALL)
    return tmp_path


def test_a_run_goes_on_elsewhere_with_the_scenario_that_it_began_with(command: Any, here: Path) -> None:
    run = begin(read(here / "s.yaml", ["actors.address=missing:1"]), here / "mine")
    resume = command("resume", here)
    for change in ("training.rounds=2", "actors.threads=2", "seed=1"):
        _, error = resume("mine", change, code=2)
        assert error.startswith(
            f"{change}: a run that has begun keeps its scenario; only actors.* without actors.threads"
        )
        assert len(error.splitlines()) == 1
    out, _ = resume("mine", "actors.backend=serial", "actors.address=")
    assert "run: mine " in out
    assert (run / "result.json").is_file()
    _, error = command("run", here)("s.yaml", "--folder", "mine", code=2)
    assert error == "mine: is there already. `fedsilo resume mine` goes on with a run.\n"


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
