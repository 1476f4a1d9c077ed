"""The runs of a comparison, and what is refused before the first of them begins."""

from pathlib import Path
from typing import Any

import pytest

from fedsilo.core.errors import ScenarioError
from fedsilo.core.registry import name_of
from fedsilo.runs.comparison.sweep import Sweep, build_sweep, list_trained_methods

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"classes": 4, "domains": ["sketch"]},
    "partition": {"clients": 2},
    "method": {"name": "promptfl", "context_length": 3},
    "actors": {"backend": "serial"},
}

RANKED = """\
from dataclasses import dataclass
from fedsilo.core.config_fields import key
from fedsilo.methods.promptfl import PromptFL

@dataclass(frozen=True)
class Ranked(PromptFL):
    synchronise: str = key("batch", "What is sent.", "batch")
    rank: int = key(4, "How much.", within=">= 1")
"""
MINE = "my_lab.ranked:Ranked"


@pytest.fixture
def ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A method with a key and a default of its own."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "ranked.py").write_text(RANKED)
    monkeypatch.syspath_prepend(str(tmp_path))
    return MINE


def methods(grid: Sweep) -> list[Any]:
    return [scenario.method for scenario in grid.scenarios()[0]]


def test_a_method_takes_over_the_keys_it_has_and_keeps_its_own_defaults(ranked: str) -> None:
    promptfl, mine = methods(Sweep(SMALL, methods=("promptfl", ranked)))
    assert promptfl.context_length == mine.context_length == 3
    assert (promptfl.synchronise, mine.synchronise, mine.rank) == ("round", "batch", 4)


def test_a_word_that_a_method_does_not_allow_is_left_to_those_that_do(ranked: str) -> None:
    promptfl, mine = methods(Sweep(SMALL, ["method.synchronise=round"], ("promptfl", ranked)))
    assert (promptfl.synchronise, mine.synchronise) == ("round", "batch")
    with pytest.raises(ScenarioError, match=r"method\.synchronise: must be"):
        Sweep(SMALL, ["method.synchronise=never"], ("promptfl", ranked)).scenarios()


def test_a_key_that_only_another_method_has_is_no_mistake(ranked: str) -> None:
    for changes in (["method.rank=2"], {"method": {"rank": 2}}):
        promptfl, mine = methods(Sweep(SMALL, changes, ("promptfl", ranked)))
        assert not hasattr(promptfl, "rank")
        assert mine.rank == 2


def test_a_key_that_no_method_has_is_refused_once(ranked: str) -> None:
    for methods in (("promptfl", "local"), ("promptfl",), ()):
        with pytest.raises(ScenarioError) as caught:
            Sweep(SMALL, ["method.context_lenght=2"], methods).scenarios()
        assert caught.value.problems == (
            "command line: method.context_lenght: unknown key. Did you mean 'context_length'?",
        )


def test_a_method_s_own_keys_win_and_go_nowhere_else(ranked: str) -> None:
    only = {ranked: ["method.rank=8", "training.optimizer.learning_rate=0.5"]}
    one, other = Sweep(SMALL, ["method.rank=2"], ("promptfl", ranked), only=only).scenarios()[0]
    assert one.training.optimizer.learning_rate != 0.5
    assert (other.training.optimizer.learning_rate, other.method.rank) == (0.5, 8)  # type: ignore[attr-defined]
    with pytest.raises(ScenarioError, match=r"^local: .*method\.rank"):
        Sweep(SMALL, (), ("promptfl", "local"), only={"local": ["method.rank=8"]}).scenarios()
    with pytest.raises(ScenarioError, match="'local' has keys but is not compared"):
        Sweep(SMALL, (), ("promptfl",), only={"local": ["method.context_length=8"]}).scenarios()


def test_varied_values_times_seeds_and_a_method_without_the_key_runs_once(ranked: str) -> None:
    grid = build_sweep(SMALL, {}, ["promptfl", ranked], [0, 1], {"method.rank": [1, 2]})
    found = grid.scenarios()[0]
    assert [(name_of(s.method), getattr(s.method, "rank", None), s.seed) for s in found] == [
        ("promptfl", None, 0), ("promptfl", None, 1),
        (ranked, 1, 0), (ranked, 1, 1), (ranked, 2, 0), (ranked, 2, 1),
    ]  # fmt: skip


def test_nothing_named_is_the_scenario_itself_without_references() -> None:
    found, left_out = Sweep({**SMALL, "seed": 7, "evaluation": {"references": ["local"]}}).scenarios()
    assert [(name_of(s.method), s.seed, s.evaluation.references) for s in found] == [("promptfl", 7, [])]
    assert left_out == []


def test_a_seed_or_method_given_twice_runs_once() -> None:
    assert len(Sweep(SMALL, methods=("local", "local"), seeds=(0, 0, 1)).scenarios()[0]) == 2


def test_all_is_every_method_that_trains() -> None:
    assert "zero_shot" not in list_trained_methods()
    assert {"local", "promptfl"} <= set(list_trained_methods())
    grid = Sweep({**SMALL, "method": "promptfl"}, methods=("all",))
    assert [name_of(method) for method in methods(grid)] == list_trained_methods()
    assert grid.scenarios()[1] == []


def test_all_leaves_out_what_cannot_run_and_says_so_where_a_named_one_is_refused() -> None:
    private = {"privacy.mode": "central", "privacy.noise_multiplier": 1.0}
    found, left_out = Sweep(SMALL, private, ("all",)).scenarios()
    assert "local" not in [name_of(scenario.method) for scenario in found]
    assert any(line.startswith("left out: ") and "local" in line and "sends nothing" in line for line in left_out)
    with pytest.raises(ScenarioError, match=r"^local: .*sends nothing"):
        Sweep(SMALL, private, ("promptfl", "local")).scenarios()


def test_what_is_wrong_for_all_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        Sweep(SMALL, ["training.rounds=0"], ("promptfl", "local"), (0, 1)).scenarios()
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith("command line: training.rounds: must be")
    with pytest.raises(ScenarioError, match="there is no such file"):
        Sweep(tmp_path / "none.yaml", methods=("all",)).scenarios()


def test_an_unknown_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ScenarioError, match=r"^methods: no method 'promtfl'\. Did you mean 'promptfl'\?"):
        Sweep(SMALL, methods=("local", "promtfl")).scenarios()
