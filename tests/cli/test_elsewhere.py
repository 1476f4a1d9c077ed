"""`fedsilo run --folder` and `fedsilo resume` on other machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedsilo.config.scenario_reading import read
from fedsilo.runs.run import begin


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
