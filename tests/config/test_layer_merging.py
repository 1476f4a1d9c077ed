"""Any learner under any strategy in a scenario: flat and nested keys, layers, names, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.dumping import to_mapping, to_yaml
from fedsilo.config.key_descriptions import describe
from fedsilo.config.reference_methods import make_reference
from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.core import Method
from fedsilo.core.errors import ScenarioError
from fedsilo.core.registry import find, name_of, title_of
from fedsilo.learners.coop import CoOpLearner
from fedsilo.learners.fedotp import FedOTPLearner
from fedsilo.learners.fedpgp import FedPGPLearner
from fedsilo.methods.composed import Composed
from fedsilo.methods.fedprox import FedProx
from fedsilo.report.results.run_entry import RunEntry
from fedsilo.runs.comparison.sweep import Sweep, list_trained_methods
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.fedprox import FedProxStrategy

FEDOTP_FEDPROX = Composed(FedOTPLearner(gamma=0.7), FedProxStrategy(mu=0.1))


def method(section: Any, *changes: str) -> Any:
    return from_mapping({"method": section}, changes).method


def problems(section: Any, *changes: str, **sections: Any) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        from_mapping({"method": section, **sections}, changes)
    return tuple(caught.value.problems)


@pytest.mark.parametrize(
    "section",
    [
        {"learner": "fedotp", "strategy": "fedprox", "gamma": 0.7, "mu": 0.1},
        {"learner": {"name": "fedotp", "gamma": 0.7}, "strategy": {"name": "fedprox", "mu": 0.1}},
        {"name": "composed", "learner": {"name": "fedotp", "gamma": 0.7}, "strategy": "fedprox", "mu": 0.1},
        {"name": "fedotp+fedprox", "gamma": 0.7, "mu": 0.1},
    ],
)
def test_flat_keys_nested_keys_and_the_joined_name_say_the_same(section: dict[str, Any]) -> None:
    assert method(section) == FEDOTP_FEDPROX


def test_the_command_line_changes_parts_and_keys() -> None:
    recipe = {"name": "fedotp", "gamma": 0.7}
    assert method(recipe, "method.strategy=fedprox", "method.mu=0.1") == FEDOTP_FEDPROX
    assert method("fedotp+fedprox", "method.mu=0.1", "method.learner.gamma=0.7") == FEDOTP_FEDPROX
    assert method("coop", "method=fedotp+fedprox", "method.mu=0.1", "method.gamma=0.7") == FEDOTP_FEDPROX
    assert method({"name": "fedotp+fedprox", "mu": 0.1}, "method.strategy=fedavg").strategy == FedAvgStrategy()
    assert method({"learner": "fedotp"}) == Composed(FedOTPLearner(), FedAvgStrategy())
    assert method({"strategy": "fedprox"}) == Composed(CoOpLearner(), FedProxStrategy())


def test_keys_go_along_from_a_recipe_into_its_parts_and_back() -> None:
    assert method({"name": "fedprox", "context_length": 5, "mu": 0.3}, "method.learner=fedotp") == Composed(
        FedOTPLearner(context_length=5), FedProxStrategy(mu=0.3)
    )
    combination = {"learner": {"name": "fedotp", "context_length": 5, "gamma": 0.3}, "strategy": "fedprox", "mu": 0.3}
    assert method(combination, "method=fedprox") == FedProx(context_length=5, mu=0.3)


def test_a_key_of_both_parts_is_refused_and_one_of_a_recipe_s_learner_stays_the_learner_s() -> None:
    (line,) = problems({"learner": "fedpgp", "strategy": "fedprox", "mu": 0.4})
    assert "method.mu: unknown key" in line
    assert "Write method.learner.mu or method.strategy.mu." in line
    made = method({"name": "fedpgp", "mu": 0.4}, "method.strategy=fedprox")
    assert made == Composed(FedPGPLearner(mu=0.4), FedProxStrategy())


@pytest.mark.parametrize(
    ("section", "facts"),
    [
        ("fedotpp+fedprox", ("method.learner.name: no learner 'fedotpp'.", "'fedotp'")),
        ({"learner": "coop", "strategy": "fedporx"}, ("method.strategy.name: no strategy 'fedporx'.", "'fedprox'")),
        ("coop", ("method.name: no method 'coop'.", "It is a learner: write method.learner: coop.")),
        ({"learner": "coop", "strategy": "fedprox", "muu": 1}, ("method.muu: unknown key.", "'mu'")),
        ({"learner": "coop", "strategy": "fedprox", "mu": -1}, ("method.strategy.mu:", ">= 0", "-1")),
        ("coop+moon", ("representations", "fedprox")),
        ("moap+fedavg", ("strategy experts",)),
        ("zero_shot+fedavg", ("strategy local",)),
        ("dpfpl+fedavg", ("synchronise", "'batch'")),
    ],
)
def test_what_cannot_be_is_one_line_with_the_remedy(section: Any, facts: tuple[str, ...]) -> None:
    (line,) = problems(section)
    assert all(fact in line for fact in facts)


def test_a_wrong_key_beside_the_names_has_its_own_line(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("method:\n  learner: coop\n  strategy: fedprox\n  mu: -1\n")
    with pytest.raises(ScenarioError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}:4: method.strategy.mu:")


def test_a_file_that_extends_another_one_changes_one_part(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("method: {learner: fedotp, strategy: fedprox, mu: 0.1, gamma: 0.7}\n")
    (tmp_path / "s.yaml").write_text("extends: base.yaml\nmethod: {strategy: scaffold, server_rate: 0.5}\n")
    made = read(tmp_path / "s.yaml").method
    assert title_of(made) == "fedotp+scaffold"
    assert made.learner == FedOTPLearner(gamma=0.7)  # type: ignore[attr-defined]
    assert made.strategy.server_rate == 0.5  # type: ignore[attr-defined]


def test_what_is_written_out_is_read_back(tmp_path: Path) -> None:
    scenario = from_mapping({"method": {"learner": "fedotp", "strategy": "fedprox", "gamma": 0.7, "mu": 0.1}})
    assert from_mapping(to_mapping(scenario)) == scenario
    (tmp_path / "s.yaml").write_text(to_yaml(scenario))
    assert read(tmp_path / "s.yaml").method == FEDOTP_FEDPROX


def test_names_are_found_again_and_differ_between_combinations() -> None:
    assert find(Method, name_of(FEDOTP_FEDPROX)) is Composed
    assert title_of(FEDOTP_FEDPROX) == "fedotp+fedprox"
    assert title_of(FedProx()) == "fedprox"
    assert title_of(from_mapping({}).partition) == "composed"
    assert method(title_of(FEDOTP_FEDPROX)) == Composed(FedOTPLearner(), FedProxStrategy())


def test_references_are_recipes_or_combinations_with_the_keys_that_they_share() -> None:
    made = Composed(FedOTPLearner(context_length=5), FedProxStrategy(mu=0.1))
    assert make_reference("fedprox", made) == FedProx(context_length=5, mu=0.1)
    assert make_reference("coop+fedprox", made) == Composed(CoOpLearner(context_length=5), FedProxStrategy(mu=0.1))
    (line,) = problems("coop+fedprox", evaluation={"references": ["coop+fedporx"]})
    assert "evaluation.references: no strategy 'fedporx'" in line
    (line,) = problems("coop+fedprox", evaluation={"references": ["coop+moon"]})
    assert "'coop+moon' cannot be trained" in line


def test_a_grid_varies_parts_and_names_combinations() -> None:
    source = {"method": {"name": "promptfl", "context_length": 5}}
    axis = tuple([f"method.strategy={name}"] for name in ("fedavg", "fedprox", "scaffold"))
    found, _ = Sweep(source, axes=(axis,)).scenarios()
    assert [RunEntry(scenario).method for scenario in found] == ["coop+fedavg", "coop+fedprox", "coop+scaffold"]
    assert {scenario.method.learner.context_length for scenario in found} == {5}  # type: ignore[attr-defined]
    found, _ = Sweep(source, methods=("fedotp+fedprox", "promptfl")).scenarios()
    assert [RunEntry(scenario).method for scenario in found] == ["fedotp+fedprox", "promptfl"]
    assert found[0].method == Composed(FedOTPLearner(context_length=5), FedProxStrategy())
    back, _ = Sweep({"method": {"learner": "coop", "context_length": 5}}, methods=("promptfl", "local")).scenarios()
    assert [scenario.method.context_length for scenario in back] == [5, 5]  # type: ignore[attr-defined]
    assert "composed" not in list_trained_methods()


def test_strategies_that_compute_with_sgd_refuse_other_optimizers_and_momentum_that_is_kept() -> None:
    for name in ("scaffold", "fednova"):
        for kind in ("adam", "adamw"):
            (line,) = problems(f"coop+{name}", f"training.optimizer.name={kind}")
            assert "training.optimizer.name:" in line
            assert f"'{kind}'" in line
            assert f"'coop+{name}'" in line
        (line,) = problems(f"coop+{name}", "training.optimizer.state=kept")
        assert "training.optimizer.state:" in line
        method(f"coop+{name}", "training.optimizer.state=kept", "training.optimizer.momentum=0")
    method("coop+fedprox", "training.optimizer=adamw", "training.optimizer.state=kept")


@pytest.mark.parametrize("name", ["coop+scaffold", "coop+fednova"])
def test_references_that_compute_with_sgd_are_held_to_the_optimizer_too(name: str) -> None:
    for change, said in (("name=adam", "name is 'adam'"), ("state=kept", "state is 'kept'")):
        (line,) = problems(
            "promptfl", f'evaluation.references=["coop+fedprox","{name}"]', f"training.optimizer.{change}"
        )
        assert f"evaluation.references: '{name}'" in line
        assert f"training.optimizer.{said}" in line


def test_counts_that_a_mechanism_would_clip_are_refused_with_it() -> None:
    noise = ("privacy.mode=central", "privacy.noise_multiplier=1")
    (line,) = problems("coop+fednova", *noise)
    assert all(word in line for word in ("privacy.mode: is 'central'", "'coop+fednova'", "Use 'none'"))
    (line,) = problems("promptfl", *noise, 'evaluation.references=["coop+fednova"]')
    assert all(word in line for word in ("'coop+fednova'", "privacy.mode is 'central'"))
    method("coop+scaffold", *noise)


def test_what_is_wrong_with_a_part_is_said_once_by_its_key() -> None:
    (line,) = problems("coop+fedprox", "method.synchronise=batch")
    assert "method.strategy.synchronise: " in line
    (line,) = problems("dpfpl+fedavg", "method.rank=20")
    assert "method.learner.rank: " in line
    (line,) = problems("moap+fedavg")
    assert "method.strategy.name: " in line
    (line,) = problems("coop+fedper", "method.stays=context")
    assert "method.strategy.stays: must be a list" in line


@pytest.mark.parametrize("name", ["fedavgm", "fedadam", "fedyogi", "fedadagrad", "scaffold", "fednova", "fedamp"])
def test_servers_with_a_step_of_their_own_take_no_late_updates(name: str) -> None:
    (line,) = problems(f"coop+{name}", "stragglers.mode=buffered", "stragglers.buffer=2", "partition.clients=4")
    assert line.split(": ")[1] == "stragglers.mode"
    assert f"'coop+{name}'" in line


def test_strategies_that_compare_updates_are_refused_under_secure_aggregation() -> None:
    (line,) = problems("coop+fedamp", "aggregation=secure")
    assert "aggregation.name" in line
    assert "'coop+fedamp'" in line


def test_learners_and_strategies_are_described() -> None:
    assert {row.key for row in describe("learner", "coop")} >= {"method.learner.name", "method.learner.context_length"}
    assert {row.key for row in describe("strategy", "fedprox")} >= {"method.strategy.mu"}
    assert {row.key for row in describe("strategies")} >= {"fedavg", "scaffold", "moon"}
    assert {row.key for row in describe("learners")} >= {"coop", "fedotp"}
