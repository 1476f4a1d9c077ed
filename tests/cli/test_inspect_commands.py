"""`fedsilo show`, `list` and `describe`."""

import json
from typing import Any

from tests.cli.conftest import Shell

from fedsilo.storage.run_folder import read_lines


def test_show_reads_a_run_back(shell: Shell, finished: dict[str, Any]) -> None:
    done = shell("show", finished["run"])
    assert "rounds" in done.stdout
    assert "clients, last evaluation" in done.stdout
    assert "features, sliced" in done.stdout
    document = shell.json("show", finished["run"])
    assert document["finished"]
    assert len(document["rounds"]) == 2
    assert document["result"]["sha256"] == finished["sha256"]


def test_show_tells_the_slowest_client_of_the_newest_round(shell: Shell, finished: dict[str, Any]) -> None:
    (line,) = (line for line in shell("show", finished["run"]).stdout.splitlines() if line.startswith("slowest"))
    last = read_lines(shell.folder / finished["run"] / "rounds.jsonl")[-1]
    slowest, whole = last["slowest"], last["seconds"]["train"]
    assert line == (
        f"slowest: client {slowest['client']:02d}, {slowest['seconds']:.2g} s of {whole:.2g} s of training in round "
        f"{last['round']}; half of the clients took up to {slowest['median']:.2g} s"
    )


def test_list_describe_and_cache_answer(shell: Shell, finished: dict[str, Any]) -> None:
    assert "promptfl" in shell.json("list")["methods"]
    assert "emblems" in shell("list").stdout
    assert any(row["key"].endswith("context_length") for row in shell.json("describe", "method", "promptfl"))
    every = shell("describe").stdout
    assert all(key in every for key in ("training.rounds", "method.context_length", "data.root", "actors.backend"))
    assert shell.json("cache", "ls")["entries"] > 0
    shell("cache", "clear")
    assert shell.json("cache", "ls")["entries"] == 0


def test_json_has_no_word_that_is_not_json(shell: Shell) -> None:
    run = shell.json("run", "small.yaml", "method=zero_shot", "name=floor")["run"]

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    for text in (shell("show", run, "--json").stdout, (shell.folder / run / "rounds.jsonl").read_text()):
        assert json.loads(text, parse_constant=refuse)
    assert "rounds" in shell("show", run).stdout
