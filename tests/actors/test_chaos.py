"""Plans of faults, their ledger, the blows that need no run, and what is told of it. No Ray is started."""

import json
import os
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsilo.cli import main
from fedsilo.cli.chaos_command import MARK, _write
from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo.core.state import write_bytes
from fedsilo.methods.promptfl import PromptFL
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo_actors.fault_injection.command_session import Ending, run_command
from fedsilo_actors.fault_injection.fault_log import FaultLog, read_faults
from fedsilo_actors.fault_injection.fault_plan import FaultPlan, FaultPoint, check_faults, parse_odds, read_plan
from fedsilo_actors.fault_injection.fault_verdict import Verdict
from fedsilo_actors.fault_injection.faulty_run import FaultyRun, Limits, _mark_survived, judge
from fedsilo_actors.fault_injection.injectors import damage, exhaust_memory, fill_disk

ALL = [FaultPoint("kill client", "train", round, 0, client) for round in range(100) for client in range(20)]
CERTAIN = {"kill client": 1.0}
METHOD = PromptFL(context_length=3)


def struck(plan: FaultPlan) -> list[FaultPoint]:
    return [point for point in ALL if plan.is_due(point)]


def test_a_plan_is_a_function_of_its_seed_with_the_chance_that_was_asked_for() -> None:
    plan = FaultPlan(7, {"kill client": 0.1})
    assert struck(plan) == struck(FaultPlan(7, {"kill client": 0.1, "hang client": 1.0}))
    assert struck(plan) != struck(FaultPlan(8, {"kill client": 0.1}))
    assert 150 < len(struck(plan)) < 250  # of 2000: four standard deviations are 54
    assert set(struck(plan)) < set(struck(FaultPlan(7, {"kill client": 0.2})))
    assert struck(FaultPlan(7, {"kill client": 0.0})) == []
    assert len(struck(FaultPlan(7, CERTAIN))) == len(ALL)


def test_every_part_of_a_point_counts() -> None:
    point, plan = FaultPoint("kill client", "train", 1, 2, 3), FaultPlan(0, {"kill client": 0.5, "hang client": 0.5})
    changes: list[dict[str, Any]] = [
        {"kind": "hang client"}, {"stage": "save"}, {"round": 9}, {"exchange": 9}, {"client": 9},
    ]  # fmt: skip
    for change in changes:
        other = replace(point, **change)
        assert any(replace(plan, seed=s).is_due(point) != replace(plan, seed=s).is_due(other) for s in range(40)), (
            change
        )


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = FaultPlan(3, {"kill client": 0.25, "fill disk": 1.0}, 12.5)
    plan.write(tmp_path)
    assert read_plan(tmp_path) == plan
    (tmp_path / "chaos.json").write_text('{"seed": 1}')
    with pytest.raises(RunError, match="is no plan of faults"):
        read_plan(tmp_path)


def test_a_fault_strikes_once_and_stands_in_the_ledger_before_it_does(tmp_path: Path) -> None:
    ledger = FaultLog(tmp_path, FaultPlan(0, CERTAIN))
    assert not ledger.claim(FaultPoint("hang client", "train"))
    assert ledger.claim(ALL[0])
    assert [(line["kind"], line["attempt"]) for line in read_faults(tmp_path)] == [("kill client", 0)]
    later = FaultLog(tmp_path, FaultPlan(0, CERTAIN), attempt=1)
    assert not later.claim(ALL[0])
    assert later.claim(ALL[1])
    assert [line["client"] for line in read_faults(tmp_path)] == [0, 1]


def test_a_process_at_the_same_point_at_the_same_time_does_not_claim_it_as_well(tmp_path: Path) -> None:
    ledger = FaultLog(tmp_path, FaultPlan(0, CERTAIN))
    with ThreadPoolExecutor(4) as threads:  # the lock is one of open files, which each has of its own
        claimed = list(threads.map(ledger.claim, [point for point in ALL[:40] for _ in range(4)]))
    assert sum(claimed) == len(read_faults(tmp_path)) == 40


@pytest.mark.parametrize(
    ("deed", "word", "said"),
    [
        ("kill", "clients:0.1", "there is no 'clients' to kill. There is: client, encoder, coordinator, driver, node."),
        ("damage", "client:0.1", "there is no 'client' to damage. There is: checkpoint."),
        ("kill", "client", "needs a chance from 0 to 1, as in client:0.1."),
        ("kill", "client:often", "needs a chance from 0 to 1"),
        ("hang", "client:1.5", "the chance must be from 0 to 1, got 1.5."),
        ("hang", "client:-0.1", "the chance must be from 0 to 1, got -0.1."),
        ("hang", "client:nan", "the chance must be from 0 to 1, got nan."),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(deed: str, word: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_odds({deed: [word]})
    assert str(caught.value).startswith(f"--{deed} {word}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert parse_odds({"kill": ["client:0.1", "node:1"], "fill": ["disk:0"]}) == {
        "kill client": 0.1, "kill node": 1.0, "fill disk": 0.0,
    }  # fmt: skip
    with pytest.raises(ScenarioError, match="is given twice") as caught:
        parse_odds({"kill": ["client:0.1", "client:0.2", "nothing:1"]})
    assert len(caught.value.problems) == 2
    with pytest.raises(ScenarioError, match="no fault is asked for"):
        parse_odds({"kill": []})


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        (["actors.backend=serial"], "kill client", "actors.backend: is serial"),
        (["actors.address=auto"], "kill node", "actors.address: faults are only for a Ray that this run starts itself"),
        (["aggregation=secure", "partition.clients=5"], "kill client", "its hashes differ by design"),
        ([], "hang client", "an actor that hangs is given up after 1800 s, an attempt has 600 s"),
        ([], "fill store", "actors.object_store_mb: must be from 80 to 1024 to be filled, got 0"),
    ],
)
def test_faults_that_a_scenario_cannot_have_are_one_line(
    tmp_path: Path, changes: list[str], kind: str, said: str
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("data: emblems\nmethod: promptfl\n")
    with pytest.raises(ScenarioError) as caught:
        check_faults({kind: 0.1}, read(file, changes), 600.0)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_on_the_command_line_it_is_a_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("data: emblems\nmethod: promptfl\n")
    for words in (["--kill", "client:2"], ["--kill", "client:1", "actors.backend=serial"], []):
        monkeypatch.setattr(sys, "argv", ["fedsilo", "chaos", str(file), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code, out, err.count("\n")) == (2, "", 1), err


def test_memory_runs_out_for_real_and_is_there_again() -> None:
    with pytest.raises(MemoryError):
        exhaust_memory()
    assert len(bytearray(128 << 20)) == 128 << 20


def test_a_full_disk_refuses_every_write_of_the_process(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        fill_disk()
        with pytest.raises(RunError, match="cannot be written"):
            write_bytes(tmp_path / "x", b"word")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    write_bytes(tmp_path / "x", b"word")


@pytest.mark.parametrize("drawn", range(0, 48, 5))
def test_a_damaged_checkpoint_is_passed_over(world: Any, tmp_path: Path, drawn: int) -> None:
    """Whatever is cut off or flipped: the checkpoint before counts."""
    here = world(clients=1)
    shared = dict(here.work(METHOD).shared)
    kept = Checkpoints(tmp_path, 2)
    for round in range(2):
        kept.write(round, shared, lambda folder: {})
    done = damage(tmp_path / "round-0001", drawn * 7919)
    found, notices = kept.newest()
    assert found is not None
    if found.round == 1:  # JSON may have blanks to lose
        assert "checkpoint.json" in done
        assert {name: tensor.tolist() for name, tensor in found.shared.items()} == {
            name: tensor.tolist() for name, tensor in shared.items()
        }
    else:
        assert "passed over a damaged checkpoint" in notices[0]


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    words = ["sh", "-c", "sleep 600 & sleep 600"]
    ending = run_command(words, {"PATH": os.environ["PATH"]}, tmp_path / "log", 0.5)
    assert (ending.code, ending.left) == (None, 3)
    assert judge(ending, Limits(0.5)) == ("", "hung: it was ended after 0.5 s.")


@pytest.mark.parametrize(
    ("code", "errors", "why", "trouble"),
    [
        (0, "", "", ""),
        (-9, "", "the driver was killed", ""),
        (2, "(raylet) a worker died\n\nclient 3: lost.\n", "client 3: lost.", ""),
        (
            2,
            "(raylet) Raylet is terminated. Logs:\n    [state-dump] x\n\t(2) lagging\nclient 3: lost.\n",
            "client 3: lost.",
            "",
        ),
        (2, "one\ntwo\n", "", "ended with code 2 and 2 lines instead of one."),
        (2, "", "", "ended with code 2 and 0 lines instead of one."),
        (1, "client 3: lost.\n", "", "ended with code 1 and 1 lines instead of one."),
        (2, "Traceback (most recent call last)\nx\n", "", "ended in a traceback."),
    ],
)
def test_a_stop_is_one_line_and_exit_code_2_or_it_should_not_be(code: int, errors: str, why: str, trouble: str) -> None:
    assert judge(Ending(code, errors, 0), Limits()) == (why, trouble)


def fault(kind: str, attempt: int) -> dict[str, Any]:
    return {"kind": kind, "attempt": attempt}


def test_the_last_fault_before_a_stop_is_what_stopped_it() -> None:
    """And a killed driver's own, with whatever happens to its coordinator afterwards."""
    told = [
        fault("kill client", 0), fault("raise client", 0),
        fault("kill driver", 1), fault("kill coordinator", 1),
        fault("kill client", 2),
    ]  # fmt: skip
    marked = _mark_survived(told, ["client 1: raised.", "the driver was killed"])
    assert [one["survived"] for one in marked] == [True, False, False, False, True]


def trial(sha256: str, **changes: Any) -> FaultyRun:
    plain = FaultyRun(0, Path("runs/x"), (), (), (), sha256, {"m": sha256}, "", 10.0)
    return replace(plain, **changes)


def test_a_verdict_is_sound_only_if_all_hashes_are_equal_and_nothing_hung() -> None:
    assert Verdict(trial("a"), (trial("a"), trial("a"))).sound
    assert not Verdict(trial("a"), (trial("a"), trial("b"))).sound
    assert not Verdict(trial("a"), (trial("a", hashes={"m": "b"}),)).sound
    assert not Verdict(trial("a"), (trial("a", trouble="attempt 0: hung."),)).sound
    assert not Verdict(trial(""), ()).sound
    assert not Verdict(trial(""), (trial(""),)).sound


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
