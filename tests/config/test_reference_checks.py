from typing import Any

import pytest

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import ScenarioError


def scenario(method: dict[str, object], references: list[str], privacy: str = "none") -> Scenario:
    noise = {"noise_multiplier": 1.0} if privacy == "central" else {}
    return from_mapping(
        {"method": method, "privacy": {"mode": privacy, **noise}, "evaluation": {"references": references}}
    )


BATCHES: dict[str, object] = {"name": "dpfpl"}


ROUNDS: dict[str, object] = {"name": "promptfl", "context_length": 4}


@pytest.mark.parametrize(
    ("method", "name", "privacy", "why"),
    [
        (BATCHES, "fedprox", "none", "the proximal term has none. Use 'round'"),
        (BATCHES, "fedprox", "paper", "the proximal term has none. Use 'round'"),
        (BATCHES, "pfedmoap", "none", "experts are parameters after a round's training"),
        (ROUNDS, "fedamp", "central", "privacy 'central' protects their mean only"),
        (ROUNDS, "pfedmoap", "central", "privacy 'central' protects their mean only"),
        (ROUNDS, "dpfpl", "none", "8 is above method.context_length, 4"),
    ],
)
def test_references_that_cannot_be_trained_beside_the_method_are_refused(
    method: dict[str, object], name: str, privacy: str, why: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(method, [name], privacy)
    lines = [line for line in caught.value.problems if why in line]
    assert lines
    assert f"evaluation.references: '{name}' cannot be trained" in lines[0]
    assert "Leave it out, or use `fedsilo compare`" in lines[0]


OWN: dict[str, Any] = {"optimizer": {"learning_rate": 0.02}, "schedule": {"name": "cosine"}, "local_epochs": 2}


TRAINING: dict[str, Any] = {"rounds": 3, "batch_size": 4, "optimizer": {"learning_rate": 0.1, "momentum": 0.5}}


@pytest.mark.parametrize(
    ("references", "where", "words"),
    [
        ([{"name": "promptfl", "training": {"rounds": 3}}], "0.training.rounds: ", ("unknown key", "batch_size")),
        ([{"name": "promptfl", "training": {"batch_size": 0}}], "0.training.batch_size: ", (">= 1", "got 0")),
        (["local", {"name": "promptfl", "training": 3}], "1.training: ", ("mapping", "got 3", "schedule")),
        ([{"training": {}}], "0.name: ", ("must be given",)),
        (["local", 3], "", ("item 2", "mapping", "got 3", "name, training")),
        ("local", "", ("a list of names or mappings", "'local'")),
        ([{"name": "promptfl", "training": OWN}, "promptfl"], "", ("'promptfl'", "twice", "Name it once")),
        ([{"name": "zero_shot", "training": OWN}], "", ("'zero_shot'", "not trained", "Leave out")),
        (
            [{"name": "promptfl", "training": {"schedule": {"warmup": 4}}}],
            "",
            ("'promptfl'", "training.schedule.warmup", "4 rounds", "3 rounds"),
        ),
        (
            [{"name": "coop+scaffold", "training": {"optimizer": "adam"}}],
            "",
            ("'coop+scaffold'", "training.optimizer.name", "'adam'", "SGD"),
        ),
        (
            [{"name": "promptfl", "training": {"batch_size": "${training.btch_size}"}}],
            "0.training.batch_size: ",
            ("cannot be filled in", "Did you mean 'training.batch_size'"),
        ),
    ],
)
def test_a_training_of_its_own_that_cannot_be_is_one_line(references: Any, where: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_mapping({"method": "fedotp", "training": TRAINING, "evaluation": {"references": references}})
    (line,) = caught.value.problems
    assert f"evaluation.references{'.' if where else ': '}{where}" in line
    assert [word for word in words if word not in line] == []
