"""Noise solved for a budget keeps it, and what no noise can keep is refused."""

import pickle
from typing import Any

import pytest

from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.privacy.mechanisms.rigorous import Rigorous


@pytest.mark.parametrize(
    ("mechanism", "method"),
    [
        (Central(epsilon=2.0), PromptFL(context_length=3)),
        (LocalNoise(epsilon=0.5, adjacency="replace"), PromptFL(context_length=3)),
        (Distributed(epsilon=1.0), PromptFL(context_length=3)),
        (Central(epsilon=1.0, unit="example", sampling="shuffled"), DPFPL(context_length=3, rank=2)),
        (Rigorous(epsilon=0.7, adjacency="replace"), DPFPL(context_length=3, rank=2)),
        (LocalNoise(epsilon=3.0, unit="example"), PromptFL(context_length=3)),
        (Distributed(epsilon=4.0, unit="example"), DPFPL(context_length=3, rank=2)),
    ],
)
def test_noise_solved_for_a_budget_spends_nearly_all_of_it_and_no_more(world: Any, mechanism: Any, method: Any) -> None:
    fitted = world(mechanism=mechanism, rounds=5, local_epochs=2, participation=0.7).fitted(method)
    assert 0.999 * mechanism.epsilon <= fitted.planned <= mechanism.epsilon
    assert fitted.limit == mechanism.epsilon
    back = pickle.loads(pickle.dumps(fitted))
    assert (back, back.multiplier, back.deviation) == (mechanism, fitted.multiplier, fitted.deviation)


def test_another_in_its_place_takes_more_noise_than_nothing_in_its_place(world: Any) -> None:
    noise = [
        world(mechanism=Rigorous(epsilon=1.0, adjacency=adjacency)).fitted(DPFPL(context_length=3, rank=2)).multiplier
        for adjacency in ("zero_out", "replace")
    ]
    assert 1.3 * noise[0] < noise[1] < 2.1 * noise[0]


def test_an_epsilon_that_no_noise_gives_is_refused_before_anything_is_run(world: Any) -> None:
    with pytest.raises(PrivacyBudgetError, match="cannot be reached"):
        world(mechanism=Central(epsilon=1e-7, delta=1e-12)).fitted(PromptFL(context_length=3))


def test_impossible_values_are_refused() -> None:
    assert Central().problems() == ["epsilon: give either epsilon or noise_multiplier, neither is given."]
    assert LocalNoise(epsilon=1.0, noise_multiplier=1.0).problems()[0].endswith("both are given.")
    assert Distributed(epsilon=1.0).problems() == []
