"""Which methods may be trained beside the scenario's own."""

from pathlib import Path

import pytest

from fedsilo.config.consistency import find_contradictions
from fedsilo.config.reference_methods import make_reference
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
