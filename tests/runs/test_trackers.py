"""Loggers of a run: told of every round once, whatever happens to the run or to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import Scenario, Tracking
from fedsilo.core import RoundRecord
from fedsilo.core.errors import ScenarioError
from fedsilo.core.tracking import Log, Logger, Occasion
from fedsilo.report.results.finished_run import Run
from fedsilo.runs import run as running
from fedsilo.runs.run import RunCallbacks, begin, go
from fedsilo.runs.trackers import Trackers, choose_loggers, open_trackers, select_numbers
from fedsilo.storage.run_folder import read_json, to_json_value

SCENARIO = """\
name: tiny
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2, label: {name: dirichlet, beta: 1.0}}
method: {name: promptfl, context_length: 2}
training: {rounds: 3, local_epochs: 1, batch_size: 4}
actors: {backend: serial}
"""
RECORD = RoundRecord(
    **{"round": 1, "participants": (0, 2), "loss": math.nan, "metrics": {"local_accuracy": 0.5}, "upload_bytes": 10},
    **{"seconds": {"train": 2.0}, "slowest": {"client": 2, "seconds": 1.5, "median": 0.5}, "dropped": (2,)},
)


@dataclass(frozen=True)
class Notebook(Logger):
    """Keeps what it is told; breaks in a round if it is to."""

    told: list[tuple[Any, ...]] = field(default_factory=list)
    breaks: int = -1

    def require(self) -> None:
        pass

    def open(self, occasion: Occasion) -> Log:
        self.told.append(("open", occasion.identity, occasion.scenario["training"]["rounds"]))
        return Page(self)


class Page(Log):
    identity = "page 7"

    def __init__(self, book: Notebook) -> None:
        self._book = book

    def log(self, method: str, round: int, values: Mapping[str, float]) -> None:
        if round == self._book.breaks:
            raise ConnectionError("the line is dead\nand more")
        self._book.told.append((method, round))

    def conclude(self, values: Mapping[str, float]) -> None:
        self._book.told.append(("conclude", values["promptfl/local_accuracy"]))

    def close(self, finished: bool) -> None:
        self._book.told.append(("close", finished))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run without loggers, as what a run with them is compared with."""
    folder = tmp_path_factory.mktemp("loggers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(folder / "cache"))
        return go(begin(scenario(folder)))


def scenario(folder: Path, *changes: str) -> Scenario:
    (folder / "tiny.yaml").write_text(SCENARIO)
    return read(folder / "tiny.yaml", [f"tracking.root={folder / 'runs'}", *changes])


@pytest.fixture
def carried(finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Returns carried(*changes, loggers=...): what a whole run says, with its folder."""

    def go_on(*changes: str, folder: Path | None = None, loggers: Mapping[str, Logger] | None = None) -> Any:
        monkeypatch.setenv("FEDSILO_CACHE", str(finished.folder.parent.parent / "cache"))
        if loggers is not None:
            monkeypatch.setattr(running, "choose_loggers", lambda tracking: loggers)
        notices: list[str] = []
        run = go(folder or begin(scenario(tmp_path, *changes)), RunCallbacks(announce=notices.append))
        return run, notices

    return go_on


def test_a_whole_run_is_told_with_every_round_of_every_method_and_its_result(carried: Any, finished: Run) -> None:
    book = Notebook()
    run, notices = carried(loggers={"notebook": book})
    assert book.told == [
        *[("open", "", 3), ("zero_shot", 0), ("promptfl", 0), ("promptfl", 1), ("promptfl", 2)],
        *[("conclude", run.result["rows"][-1]["local_accuracy"]), ("close", True)],
    ]
    assert notices == []
    assert run.result["sha256"] == finished.result["sha256"]
    told = {"identity": "page 7", "rounds": {"zero_shot": 0, "promptfl": 2}}
    assert read_json(run.folder / "tracking.json") == {"notebook": told}


def test_a_logger_that_fails_is_one_line_and_the_run_and_the_others_go_on(carried: Any, finished: Run) -> None:
    broken, sound = Notebook(breaks=1), Notebook()
    run, notices = carried(loggers={"broken": broken, "sound": sound})
    assert notices == [
        "tracking: broken failed and receives nothing more: ConnectionError: the line is dead. The run continues, its "
        "records are complete."
    ]
    assert broken.told[-1] == ("promptfl", 0)
    assert sound.told[-1] == ("close", True)
    assert run.result["sha256"] == finished.result["sha256"]


def test_a_resumed_run_goes_on_in_the_same_log_without_a_round_twice_or_missing(finished: Run, tmp_path: Path) -> None:
    """Interrupted after a round that the driver did not hear of; one round is made again that was told already."""
    here, notices = scenario(tmp_path), list[str]()
    lines = (finished.folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    floor = finished.folder / "references" / "zero_shot" / "rounds.jsonl"
    home = tmp_path / "references" / "zero_shot"
    home.mkdir(parents=True)
    (home / "rounds.jsonl").write_text(floor.read_text())
    records = [RoundRecord(n, (0, 1), 0.5) for n in range(3)]
    book = Notebook()
    with open_trackers({"notebook": book}, here, tmp_path, notices.append) as trackers:
        trackers.watch("promptfl", records[0])
    (tmp_path / "rounds.jsonl").write_text("".join(lines[:2]))
    with open_trackers({"notebook": book}, here, tmp_path, notices.append) as trackers:
        trackers.watch("promptfl", records[1])
        trackers.watch("promptfl", records[2])
    assert book.told == [
        *[("open", "", 3), ("zero_shot", 0), ("promptfl", 0), ("close", False)],
        *[("open", "page 7", 3), ("promptfl", 1), ("promptfl", 2), ("close", False)],
    ]
    assert notices == []


def test_a_damaged_memory_begins_again_and_one_that_cannot_be_written_is_no_fault(
    finished: Run, tmp_path: Path
) -> None:
    (tmp_path / "tracking.json").write_text("{")
    book, notices = Notebook(), list[str]()
    trackers = Trackers({"notebook": book}, scenario(tmp_path), tmp_path, notices.append)
    (tmp_path / "tracking.json").unlink()
    (tmp_path / "tracking.json").mkdir()
    trackers.watch("promptfl", RECORD)
    assert book.told == [("open", "", 3), ("promptfl", 1)]
    assert notices == []


def test_what_loggers_are_told_is_numbers() -> None:
    assert select_numbers(to_json_value(RECORD.line())) == select_numbers(
        RECORD.line()
    )  # as it is read back, and as it comes
    assert select_numbers(RECORD.line()) == {
        **{"local_accuracy": 0.5, "upload_bytes": 10.0, "download_bytes": 0.0, "exchanges": 0.0, "attempts": 1.0},
        **{"participants": 2.0, "dropped": 1.0, "seconds/train": 2.0},
        **{"seconds/slowest client": 1.5, "seconds/median client": 0.5},
    }


def test_a_logger_that_is_not_installed_is_one_line_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Logger) -> None:
        raise ModuleNotFoundError("No module named 'tensorboard'")

    monkeypatch.setattr("fedsilo.storage.loggers.tensorboard.TensorBoard.require", missing)
    with pytest.raises(ScenarioError) as caught:
        choose_loggers(Tracking(loggers=["tensorboard"]))
    assert str(caught.value) == (
        "tracking.loggers: tensorboard is not installed (No module named 'tensorboard'). Install it with: "
        "pip install 'fedsilo[tracking]'"
    )


def test_a_logger_that_does_not_exist_is_a_fault_of_the_scenario(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"tracking\.loggers: 'visdom' is none\. Available: tensorboard, mlflow"):
        scenario(tmp_path, "tracking.loggers=[visdom]")
