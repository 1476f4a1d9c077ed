"""`fedsilo compare` as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fedsilo.cli.compare_command import _axes, _only, _values

SMALL = """\
data: {classes: 12, domains: [mosaic, watercolour], train_per_class_and_domain: 2, test_per_class_and_domain: 2}
partition: {clients: 3, label: {name: dirichlet, beta: 1.0}}
method: {name: promptfl, context_length: 2}
training: {rounds: 1, batch_size: 8, optimizer: {learning_rate: 0.1}}
actors: {backend: serial}
"""

Compare = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "small.yaml").write_text(SMALL)
    return folder


@pytest.fixture(scope="module")
def compare(folder: Path, command: Any) -> Compare:
    made: Compare = command("compare", folder)
    return made


@pytest.fixture(scope="module")
def done(compare: Compare) -> tuple[str, str]:
    return compare("small.yaml", "--methods", "promptfl,local", "--seeds", "0,1")


def test_a_comparison_prints_one_table_and_a_line_per_run(done: tuple[str, str]) -> None:
    out, err = done
    for word in (
        "small: accuracy in %",
        "chance",
        "zero_shot",
        "promptfl",
        "local",
        "neighbours",
        "best*",
        "±",
        "seeds",
    ):
        assert word in out
    assert "picked with the test set" in out
    assert "all rows have the same partition for the same seed" in out
    assert "comparison: runs/small-comparison" in out
    assert [line.split("  ")[0] for line in err.splitlines()] == ["1/4", "2/4", "3/4", "4/4"]


def test_again_it_runs_nothing_and_more_seeds_run_only_those(done: tuple[str, str], compare: Compare) -> None:
    words = ("small.yaml", "--methods", "promptfl,local")
    out, err = compare(*words, "--seeds", "0,1")
    assert (out, err.count("ran before")) == (done[0], 4)
    _, err = compare(*words, "--seeds", "0,1,2")
    assert (err.count("ran before"), len(err.splitlines())) == (4, 6)


def test_json_markdown_and_csv_hold_the_same_numbers(done: tuple[str, str], compare: Compare, folder: Path) -> None:
    words = ("--methods", "local", "--seeds", "0,1", "--markdown", "out.md", "--csv", "out.csv", "--json")
    out, err = compare("small.yaml", *words)
    document: dict[str, Any] = json.loads(out)
    assert err == ""
    row = document["rows"][-1]
    assert (row["method"], row["seeds"], row["failed"]) == ("local", [0, 1], {})
    frame = pd.read_csv(folder / "out.csv")
    assert frame["local_accuracy"].iloc[-1] == pytest.approx(row["local_accuracy"])
    text = (folder / "out.md").read_text()
    assert f"| local | {100 * row['local_accuracy']:.1f} ± {100 * row['local_accuracy_std']:.1f} |" in text
    assert "picked with the test set" in text


def test_varied_values_are_a_column(compare: Compare) -> None:
    out, _ = compare("small.yaml", "--vary", "method.context_length=1,2", "--quiet")
    assert "context_length" in out
    assert "promptfl" in out


def test_finished_runs_are_collected(done: tuple[str, str], compare: Compare, folder: Path) -> None:
    runs = sorted(str(path.relative_to(folder)) for path in folder.glob("runs/small-comparison/*-seed-0-*"))
    out, err = compare(*runs, "--json")
    assert err == ""
    assert {"promptfl", "local"} <= {row["method"] for row in json.loads(out)["rows"]}
    assert "small-comparison: accuracy" in compare("runs/small-comparison")[0]


def test_a_run_that_fails_is_said_and_the_exit_code_is_1(
    compare: Compare, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "failing.py").write_text(
        "from dataclasses import dataclass\n"
        "from fedsilo.methods.promptfl import PromptFL\n"
        "@dataclass(frozen=True)\n"
        "class Failing(PromptFL):\n"
        "    def train(self, work):\n"
        "        raise ValueError('[b]no[/b]')\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    out, err = compare("small.yaml", "--methods", "failing:Failing,local", "--root", "bad", code=1)
    assert "failed: failing:Failing, seed 0: client 0, stage 'train': ValueError: [b]no[/b]." in out
    assert "0 of 1" in out
    assert "failed" in err.splitlines()[0]
    assert "local accuracy" in err.splitlines()[1]


def test_ctrl_c_says_how_to_go_on(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fedsilo.runs.comparison.execute.go", interrupted)
    out, err = compare("small.yaml", "--root", "stopped", code=130)
    assert (out, err) == ("", "stopped. The same command continues with what is missing.\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("none.yaml",), "there is no such file"),
        (("small.yaml", "training.rounds=0", "--methods", "promptfl,local"), "training.rounds: must be"),
        (("small.yaml", "--methods", "promtfl"), "methods: no method 'promtfl'. Did you mean 'promptfl'?"),
        (("small.yaml", "method.rnk=3", "--methods", "promptfl"), "method.rnk: unknown key"),
        (("small.yaml", "--seeds", "0,-1"), "--seeds: must be whole numbers"),
        (("small.yaml", "--vary", "training.rounds"), "--vary: 'training.rounds' names no values"),
        (("small.yaml", "--vary", "training.rounds=1,x"), "training.rounds: must be"),
        (("small.yaml", "--for", "local=2"), "--for: 'local=2' is no key of a method"),
        (("small.yaml", "--for", "local:training.rounds=2"), "'local' has keys but is not compared"),
        (("small.yaml", "--root", "small.yaml"), "small.yaml: cannot be created"),
        (("small.yaml", "--markdown", "no/such/out.md"), "its folder does not exist"),
        (
            ("small.yaml", "privacy.mode=central", "privacy.noise_multiplier=1", "--methods", "promptfl,local"),
            "local: command line: privacy.mode",
        ),
        ((".",), "has no run"),
        ((".", "small.yaml"), "small.yaml: is no folder of runs"),
        ((".", "--seeds", "1"), "--seeds: needs a scenario"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_run(
    compare: Compare, folder: Path, words: tuple[str, ...], line: str
) -> None:
    before = sorted(str(path) for path in folder.glob("runs/*/*"))
    out, err = compare(*words, code=2)
    assert out == ""
    assert line in err
    assert len(err.strip().splitlines()) == 1
    assert sorted(str(path) for path in folder.glob("runs/*/*")) == before


def test_options_are_taken_apart() -> None:
    assert _values("a, [1,2],{x: 1, y: 2},'p,q'") == ["a", "[1,2]", "{x: 1, y: 2}", "'p,q'"]
    assert _axes(["a.b=1,2"]) == ((["a.b=1"], ["a.b=2"]),)
    assert _only(["m:C:x.y=a:b=c", "n:z=1"]) == {"m:C": ["x.y=a:b=c"], "n": ["z=1"]}
