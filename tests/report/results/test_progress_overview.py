"""Progress of a run, from a folder written by hand."""

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import Made, shown_overview

from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.progress_overview import FINISHED, RUNNING, STOPPED, read_overview
from fedsilo.report.terminal.overview_table import progress_line
from fedsilo.storage.run_folder import DRIVER_LOCK, ROUNDS_LOCK, read_last_lines


def timeline(run: Run, *rounds: list[float]) -> None:
    lines = [
        {"round": n, "stage": "train", "clients": list(range(len(took))), "client_seconds": took}
        for n, took in enumerate(rounds)
    ]
    later = {"round": len(rounds) - 1, "stage": "evaluate", "clients": [0], "client_seconds": [99.0]}
    (run.folder / "timeline.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, later]))


def test_a_run_half_way_is_told_with_what_it_is_compared_with(made: Made, held: Any) -> None:
    run = made(clients=3, rounds=4, attempts=2, dropped=[1], epsilon=1.25)
    (run.folder / "rounds.jsonl").write_text("\n".join((run.folder / "rounds.jsonl").read_text().splitlines()[:3]))
    timeline(run, [9.0, 0.1, 0.2], [0.5, 0.7, 0.7])
    held(run.folder / ROUNDS_LOCK)
    found = read_overview(run)
    assert (found.state, found.chance) == (RUNNING, 0.25)
    floor, main_, local = found.courses
    assert [(c.name, c.finished, c.planned) for c in found.courses] == [
        ("zero_shot", 1, 1), ("promptfl", 3, 4), ("local", 4, 4),
    ]  # fmt: skip
    assert found.current is main_
    assert (main_.upload_bytes, main_.download_bytes, main_.retried, main_.dropped) == (900, 450, 3, 3)
    assert (main_.pace_s, found.left_s) == (2.25, 2.25)
    assert main_.slowest == ((1, 0.7), (2, 0.7), (0, 0.5))
    assert floor.measured["local_accuracy"] == pytest.approx(0.4001)
    assert local.slowest == ()
    text = shown_overview(run)
    assert "promptfl round 3 of 4   about 2.25 s left" in text
    assert "promptfl, round 2: train 1.50 s, aggregate 0.25 s, evaluate 0.50 s" in text
    assert "slowest in training: client 01 0.70 s, client 02 0.70 s, client 00 0.50 s" in text
    assert [word for word in next(x for x in text.splitlines() if "promptfl  " in x).split() if word != "│"] == [
        *("promptfl", "3/4", "0.333", "52.0", "%", "52.0", "%", "–", "1.25", "900", "B", "450", "B", "2.25", "s"),
        *("3", "3"),
    ]
    assert "25.0 %" in next(line for line in text.splitlines() if "chance" in line)
    assert progress_line(found) == "run <1>: promptfl 3/4, loss 0.333, local 52.0 %, about 2.25 s left"


def test_the_state_is_what_locks_and_result_say(made: Made, held: Any) -> None:
    run = made()
    assert read_overview(run).state == STOPPED
    assert "`fedsilo resume`" in shown_overview(run)
    held(run.folder / DRIVER_LOCK)
    assert read_overview(run).state == RUNNING
    (run.folder / "result.json").write_text("{}")
    found = read_overview(run)
    assert (found.state, found.left_s) == (FINISHED, None)


def test_a_run_that_has_just_begun_has_no_round_and_no_time(made: Made, held: Any) -> None:
    run = made()
    for journal in run.folder.rglob("rounds.jsonl"):
        journal.unlink()
    (run.folder / "partition.json").unlink()
    held(run.folder / DRIVER_LOCK)
    found = read_overview(run)
    assert (found.current, found.left_s, found.chance, progress_line(found)) == (None, None, None, "")
    assert "no round has finished yet" in shown_overview(run)
    assert "epsilon" not in shown_overview(run)  # nothing is promised


def test_records_without_what_later_versions_write_are_no_fault(made: Made) -> None:
    run = made()
    for name, record in (("rounds", {"round": 0}), ("timeline", {"round": 0, "stage": "train"})):
        (run.folder / f"{name}.jsonl").write_text(json.dumps(record) + "\n")
    main_ = read_overview(run).courses[1]
    assert (main_.finished, main_.upload_bytes, main_.dropped, main_.slowest) == (1, 0, 0, ())
    assert "1/4" in shown_overview(run)


def test_only_the_end_of_a_long_journal_is_read(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_text("".join(json.dumps({"round": n}) + "\n" for n in range(1000)))
    assert [line["round"] for line in read_last_lines(path, 40)] == [998, 999]
    assert read_last_lines(tmp_path / "none.jsonl") == []


def test_a_watcher_takes_no_other_watcher_for_the_run_and_leaves_the_holder_s_name(made: Made, held: Any) -> None:
    run = made()
    path = run.folder / ROUNDS_LOCK
    path.write_text("another process (number 7 on here)")
    path.chmod(0o444)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)  # what a watcher holds while it looks
        assert read_overview(run).state == STOPPED
    assert path.read_text() == "another process (number 7 on here)"
    path.chmod(0o644)
    held(path)
    assert read_overview(run).state == RUNNING
