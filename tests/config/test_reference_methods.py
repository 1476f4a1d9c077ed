"""Which methods may be trained beside the scenario's own."""

from pathlib import Path
from typing import Any

import pytest

import fedsilo
from fedsilo.config.consistency import find_contradictions
from fedsilo.config.dumping import to_mapping, to_yaml
from fedsilo.config.reference_methods import find_own_settings, make_reference
from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import ScenarioError
from fedsilo.core.training_settings import LearningRateSchedule
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.provenance import hash_settings


def scenario(method: dict[str, object], references: list[str], privacy: str = "none") -> Scenario:
    noise = {"noise_multiplier": 1.0} if privacy == "central" else {}
    return from_mapping(
        {"method": method, "privacy": {"mode": privacy, **noise}, "evaluation": {"references": references}}
    )


BATCHES: dict[str, object] = {"name": "dpfpl"}
ROUNDS: dict[str, object] = {"name": "promptfl", "context_length": 4}


@pytest.mark.parametrize(
    ("method", "references", "privacy"),
    [
        (BATCHES, ["promptfl", "fedotp", "fedpgp", "local"], "paper"),
        (ROUNDS, ["fedprox", "fedamp", "pfedmoap", "local"], "none"),
        (ROUNDS, ["fedprox", "dplora", "local", "zero_shot"], "central"),
        ({"name": "fedamp"}, ["fedamp"], "none"),
    ],
)
def test_references_that_fit_are_accepted(method: dict[str, object], references: list[str], privacy: str) -> None:
    if "dplora" in references:
        method = {**method, "context_length": 8}
    assert find_contradictions(scenario(method, references, privacy)) == []


def test_a_method_that_uploads_a_round_s_result_is_refused_beside_noise_for_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No method of our own: one from outside that has no key `synchronise`."""
    (tmp_path / "rounds_only.py").write_text(
        "from dataclasses import dataclass\n"
        "from fedsilo.core import LocalResult, Method\n"
        "@dataclass(frozen=True)\n"
        "class RoundsOnly(Method):\n"
        "    uploads = ('nothing',)\n"
        "    def initial_shared(self, model, seed):\n        return {}\n"
        "    def initial_private(self, model, seed, client):\n        return {}\n"
        "    def train(self, work):\n        return LocalResult({}, {}, 0.0, 1)\n"
        "    def predictor(self, model, shared, private):\n        return None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert make_reference("rounds_only:RoundsOnly", scenario(BATCHES, []).method).uploads == ("nothing",)
    with pytest.raises(ScenarioError, match="privacy 'paper' is for every batch's gradient"):
        scenario(BATCHES, ["rounds_only:RoundsOnly"], "paper")


def test_a_reference_keeps_what_its_recipe_is_defined_by() -> None:
    """FedTPG's clients count alike, and DP-FPL sends gradients, whatever the scenario's method does."""
    method = from_mapping({"method": {"name": "fedotp", "context_length": 8}}).method
    tpg, dpfpl = make_reference("fedtpg", method), make_reference("dpfpl", method)
    assert (tpg.uniform, dpfpl.uploads_gradients) == (True, True)
    assert (tpg.learner.context_length, dpfpl.learner.context_length) == (8, 8)  # type: ignore[attr-defined]


OWN: dict[str, Any] = {"optimizer": {"learning_rate": 0.02}, "schedule": {"name": "cosine"}, "local_epochs": 2}
TRAINING: dict[str, Any] = {"rounds": 3, "batch_size": 4, "optimizer": {"learning_rate": 0.1, "momentum": 0.5}}


def beside(*references: object, **training: Any) -> Scenario:
    return from_mapping(
        {
            "method": {"name": "fedotp", "context_length": 4},
            "training": {**TRAINING, **training},
            "evaluation": {"references": list(references)},
        }
    )


def test_a_reference_has_the_scenario_s_training_but_for_the_keys_it_names() -> None:
    made = beside("local", {"name": "promptfl", "training": OWN})
    assert made.evaluation.training_of("local", made.training) == made.training
    own = made.evaluation.training_of("promptfl", made.training)
    assert (own.rounds, own.batch_size, own.local_epochs, own.schedule) == (3, 4, 2, LearningRateSchedule("cosine"))
    assert (own.optimizer.learning_rate, own.optimizer.momentum) == (0.02, 0.5)
    assert find_own_settings(made) == {
        "promptfl": {"local_epochs": 2, "optimizer.learning_rate": 0.02, "schedule.name": "cosine"}
    }


def test_what_a_reference_does_not_name_follows_the_last_layer(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "training: {batch_size: 4, optimizer: {momentum: 0.5}}\n"
        "evaluation: {references: [{name: local, training: {optimizer: {learning_rate: '${training.rounds}'}}}]}\n"
    )
    made = read(tmp_path / "s.yaml", ["training.batch_size=2", "training.optimizer.momentum=0.25", "training.rounds=7"])
    own = made.evaluation.training_of("local", made.training)
    assert (own.batch_size, own.optimizer.momentum, own.optimizer.learning_rate) == (2, 0.25, 7.0)


def test_a_reference_s_training_is_written_out_in_full_and_bare_names_stay_bare(tmp_path: Path) -> None:
    made = beside("local", {"name": "promptfl", "training": OWN}, {"name": "fedprox"})
    local, promptfl, fedprox = to_mapping(made)["evaluation"]["references"]
    assert (local, fedprox, promptfl["name"]) == ("local", "fedprox", "promptfl")
    assert promptfl["training"]["optimizer"]["weight_decay"] == 0.0005
    (tmp_path / "again.yaml").write_text(to_yaml(made))
    assert read(tmp_path / "again.yaml") == made


def test_a_resumed_run_is_held_to_the_training_of_its_references() -> None:
    digests = [
        hash_settings(beside(*references), "a {}.")
        for references in (["promptfl"], [{"name": "promptfl"}], [{"name": "promptfl", "training": OWN}])
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_reference_s_training_inherits_no_problem_of_the_scenario_s() -> None:
    with pytest.raises(ScenarioError) as caught:
        beside({"name": "promptfl", "training": OWN}, batch_size=0, schedule={"warmup": 9})
    assert sorted(line.split(": ")[1] for line in caught.value.problems) == [
        "training.batch_size",
        "training.schedule.warmup",
    ]


def test_the_scenario_s_own_method_is_passed_over_among_references() -> None:
    assert find_own_settings(beside({"name": "fedotp", "training": OWN})) == {}


def test_a_reference_with_settings_of_its_own_is_that_method_run_with_these_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDSILO_CACHE", str(tmp_path / "cache"))
    small: dict[str, Any] = {
        "data": {"classes": 3, "domains": ["neon"], "train_per_class_and_domain": 4, "test_per_class_and_domain": 2},
        "partition": {"clients": 2, "label": {"name": "dirichlet", "beta": 1.0}},
        "actors": {"backend": "serial"},
        "tracking": {"root": str(tmp_path / "runs")},
    }
    usual = {"rounds": 2, "batch_size": 4, "optimizer": {"learning_rate": 0.1}}
    beside = fedsilo.run(
        small,
        method={"name": "local", "context_length": 2},
        training=usual,
        evaluation={"references": [{"name": "promptfl", "training": OWN}]},
    )
    alone = fedsilo.run(small, method={"name": "promptfl", "context_length": 2}, training={**usual, **OWN})
    found = Run(beside.folder / "references" / "promptfl").rounds
    compared = ["round", "loss", "local_accuracy", "neighbour_accuracy"]
    compared = [name for name in compared if name in alone.rounds]
    assert "loss" in "".join(alone.rounds.columns)
    assert found[compared].equals(alone.rounds[compared])
    notices = [line for line in beside.result["notices"] if "settings of its own" in line]
    assert len(notices) == 1
    assert all(word in notices[0] for word in ("promptfl", "local_epochs 2", "optimizer.learning_rate 0.02", "cosine"))
    assert not [line for line in alone.result["notices"] if "settings of its own" in line]
