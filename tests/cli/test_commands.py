"""Every command as a user types it: its output and its exit code."""

import json
import shutil
from typing import Any

import pytest
from PIL import Image
from tests.cli.conftest import Shell

from fedsilo import __version__


def test_a_fault_is_one_line_without_a_traceback_in_a_process_of_its_own(shell: Shell) -> None:
    done = shell.apart("run", "small.yaml", "training.rounds=ten", code=2)
    first, *rest = done.stderr.splitlines()
    assert first == f"fedsilo {__version__}: small.yaml"
    assert rest == ["command line: training.rounds: must be a whole number >= 1, got 'ten'."]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run", "nothing.yaml"), "nothing.yaml"),
        (("run", "small.yaml", "training.rounds=0"), "training.rounds: must be a whole number >= 1, got 0"),
        (("run", "small.yaml", "method=fedpromt"), "no method 'fedpromt'"),
        (("run", "small.yaml", "partition.clients=0"), "clients"),
        (("run", "small.yaml", "partition.clients=1000"), "1000"),
        (("validate", "small.yaml", "sed=1"), "sed: unknown key. Did you mean 'seed'?"),
        (("show", "runs/none"), "there is no such run"),
        (("show", "."), "no scenario.yaml"),
        (("resume", "small.yaml"), "not a run folder"),
        (("describe", "metod"), "metod"),
        (("describe", "method", "promtfl"), "promptfl"),
        (("new", "small.yaml"), "exists"),
        (("new", "no/such/folder/x.yaml"), "cannot be written"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(shell: Shell, words: tuple[str, ...], line: str) -> None:
    before = sorted(path.name for path in shell.folder.glob("runs/*"))
    done = shell(*words, code=2)
    assert done.stdout == ""
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in shell.folder.glob("runs/*")) == before


def test_partition_saves_manifest_and_picture_and_a_run_can_take_it(shell: Shell, finished: dict[str, Any]) -> None:
    done = shell("partition", "small.yaml", "--out", "split")
    assert "most of" in done.stdout
    with Image.open(shell.folder / "split" / "partition.png") as picture:
        assert picture.size[0] > 300
    words = ("partition=manifest", "partition.file=split/partition.json")
    again = shell.json("run", "small.yaml", *words)
    assert again["sha256"] == finished["sha256"]
    assert "made from other data" in shell("run", "small.yaml", *words, "seed=3", code=2).stderr


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda r: r.pop("rows"), "rows is missing"),
        (lambda r: r.update(rows=[{"method": "x"}]), "rows[0].role is missing"),
        (lambda r: r["rows"][1].update(local_accuracy="high"), "rows[1].local_accuracy must be a number"),
        (lambda r: r.update(warnings="none"), "warnings must be a list"),
        (lambda r: r.update(privacy={"epsilon": 3}), "privacy.delta is missing"),
        (lambda r: r.update(headline={"last_rounds": True}), "headline.value is missing"),
        (lambda r: r.clear(), "scenario is missing"),
    ],
)
def test_a_result_of_another_make_is_one_line(shell: Shell, finished: dict[str, Any], edit: Any, line: str) -> None:
    copy = shell.folder / "foreign"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(shell.folder / finished["run"], copy)
    document = json.loads((copy / "result.json").read_text())
    edit(document)
    (copy / "result.json").write_text(json.dumps(document))
    for words in (("show", "foreign"), ("resume", "foreign"), ("compare", "foreign", finished["run"])):
        stderr = shell(*words, code=2).stderr
        assert f"foreign/result.json: is not a result of this version: {line}. Remove it, and" in stderr
        assert len(stderr.strip().splitlines()) == 1
