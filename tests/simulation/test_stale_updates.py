"""Updates that began from an older shared state: their weight, and the server's step along their mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import ClientUpdate
from fedsilo.methods.promptfl import PromptFL
from fedsilo.methods.zero_shot import ZeroShot
from fedsilo.simulation.stale_updates import StaleStates

BUFFERED = StragglerPolicy(mode="buffered", staleness_exponent=1.0, server_rate=0.5)
STATES = [{"context": torch.full((2, 3), float(value))} for value in (1, 5, 10)]
"""The shared states that rounds 0, 1 and 2 begin with."""


@pytest.fixture
def states() -> StaleStates:
    found = StaleStates(PromptFL(), BUFFERED, STATES[0])
    found.hold(2, STATES[2], {1: STATES[1]})
    return found


@pytest.fixture
def weigh(states: StaleStates) -> Callable[[int, int], float]:
    def call(client: int, sent: int) -> float:
        weighting = states.staleness_weighting(2, {7: 2, 8: 1, 9: 0})
        assert weighting is not None
        update = ClientUpdate(client, {"context": np.full((2, 3), sent, np.float32)}, 4, 0.5, 1.0)
        weighted = weighting(update)
        assert (weighted.client, weighted.weight) == (client, update.weight)
        (value,) = np.unique(weighted.tensors["context"])
        return float(value)

    return call


@pytest.mark.parametrize(("client", "sent", "expected"), [(7, 13, 13), (8, 9, 10 + 4 / 2), (9, 4, 10 + 3 / 3)])
def test_the_change_since_its_own_start_counts_by_its_staleness(
    weigh: Callable[[int, int], float], client: int, sent: int, expected: float
) -> None:
    assert weigh(client, sent) == pytest.approx(expected)


def test_the_states_that_are_kept_are_the_initial_one_and_those_asked_for(states: StaleStates) -> None:
    assert {round: float(state["context"][0, 0]) for round, state in states.of([2, 0]).items()} == {0: 1, 2: 10}
    assert list(states.of([2, 0])) == [0, 2]
    states.hold(3, STATES[1], {2: STATES[2]})
    with pytest.raises(KeyError):
        states.of([1])
    assert float(states[3]["context"][0, 0]) == 5


def test_the_server_steps_a_part_of_the_way_to_the_mean(states: StaleStates) -> None:
    mean = {"context": torch.full((2, 3), 20.0)}
    assert torch.equal(states.stepped(STATES[2], mean)["context"], torch.full((2, 3), 15.0))
    whole = StaleStates(PromptFL(), StragglerPolicy(mode="buffered"), STATES[0])
    assert whole.stepped(STATES[2], mean) is mean


@pytest.mark.parametrize(("method", "policy"), [(PromptFL(), StragglerPolicy()), (ZeroShot(), BUFFERED)])
def test_nothing_is_weighted_in_synchronous_rounds_or_without_uploads(method: object, policy: StragglerPolicy) -> None:
    assert StaleStates(method, policy, STATES[0]).staleness_weighting(0, {}) is None  # type: ignore[arg-type]
