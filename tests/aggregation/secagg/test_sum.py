"""The opened sum is bit for bit the sum of the survivors' vectors, whichever client drops out where."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedsilo.aggregation.secagg.graph import neighbours_needed
from fedsilo.aggregation.secagg.mask_expansion import BLOCK
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.core.errors import RoundAborted

Make = Callable[..., Any]
STAGES = ("advertise", "share", "mask", "unmask")


@pytest.mark.parametrize("n", range(3, 31))
def test_sum_is_exact_with_any_threshold_and_drops(play: Make, exact: Make, n: int) -> None:
    chance = random.Random(n)
    colluding = chance.randint(0, max(0, n // 3 - 1))
    threshold = chance.randint(max((n + colluding) // 2 + 1, max(colluding, 1) + 2), n)
    dropping = chance.sample(range(n), chance.randint(0, n - threshold))
    drops = {i: chance.choice(STAGES) for i in dropping}
    dim = chance.randint(1, 50)
    round = play(n, dim, threshold, colluding, seed=n, drops=drops)
    result = round.run()
    assert result.survivors == tuple(i for i in range(n) if drops.get(i, "unmask") == "unmask")
    np.testing.assert_array_equal(result.total, exact(round.vectors, result.survivors, dim))


@pytest.mark.parametrize("first", [None, *STAGES])
def test_sum_is_exact_in_every_combination_of_stages(play: Make, exact: Make, first: str | None) -> None:
    for number, (second, third) in enumerate(itertools.product([None, *STAGES], repeat=2)):
        drops = {i: stage for i, stage in ((0, first), (3, second), (6, third)) if stage}
        round = play(7, 5, 4, seed=number, drops=drops)
        result = round.run()
        np.testing.assert_array_equal(result.total, exact(round.vectors, result.survivors, 5))


@pytest.mark.parametrize("dim", [1, 15, 16, 17, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_sum_is_exact_in_every_dimension(play: Make, exact: Make, dim: int) -> None:
    round = play(4, dim, seed=dim, drops={1: "mask"})
    result = round.run()
    np.testing.assert_array_equal(result.total, exact(round.vectors, (0, 2, 3), dim))


def test_sum_wraps_at_the_ends_of_the_ring(play: Make, exact: Make) -> None:
    ends = np.array([0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1], dtype=np.uint32)
    round = play(3, 6, vectors={i: np.roll(ends, 2 * i) for i in range(3)})
    np.testing.assert_array_equal(round.run().total, exact(round.vectors, (0, 1, 2), 6))


def test_clients_may_have_any_numbers(play: Make, exact: Make) -> None:
    numbers = (0, 7, 1000, 2**32 - 2)
    round = play(parameters=Parameters(numbers, 3, 4), drops={7: "mask"})
    result = round.run()
    assert result.survivors == (0, 1000, 2**32 - 2)
    np.testing.assert_array_equal(result.total, exact(round.vectors, result.survivors, 4))


@pytest.mark.parametrize(("k", "q"), [(9, 4), (10, 5), (28, 15)])
@pytest.mark.parametrize("n", [29, 30])
def test_sum_is_exact_on_a_sparse_graph(play: Make, exact: Make, n: int, k: int, q: int) -> None:
    parameters = Parameters(tuple(range(n)), 20, 17, 1, "neighbours", k, q)
    assert parameters.problems() == []
    round = play(parameters=parameters, seed=k, drops={0: "advertise", 5: "share", 6: "mask", 20: "mask", 9: "unmask"})
    result = round.run()
    assert len(result.survivors) == n - 4
    np.testing.assert_array_equal(result.total, exact(round.vectors, result.survivors, 17))


def test_a_sparse_graph_saves_messages(play: Make) -> None:
    size = neighbours_needed(40, 0.05, 0.05)
    round = play(parameters=Parameters(tuple(range(40)), 27, 4, 2, "neighbours", size.neighbours, size.quorum))
    round.until("mask")
    assert max(len(mailbox.sealed) for mailbox in round.inbox.values()) <= size.neighbours + 1 < 39


def test_rounds_of_the_same_vectors_look_different(play: Make) -> None:
    first, second = play(seed=1), play(seed=2)
    second.vectors = first.vectors
    np.testing.assert_array_equal(first.run().total, second.run().total)
    assert not np.array_equal(first.view()[0], second.view()[0])


def test_the_result_can_be_asked_for_again(play: Make) -> None:
    round = play()
    np.testing.assert_array_equal(round.run().total, round.coordinator.result().total)
    round.coordinator.wipe()
    assert round.coordinator.result().survivors == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("n", [3, 8])
def test_below_the_threshold_the_round_is_given_up(play: Make, n: int, stage: str) -> None:
    threshold = {3: 3, 8: 6}[n]
    round = play(n, 3, threshold, drops=dict.fromkeys(range(n - threshold + 1), stage)).until(stage)
    round.collect(stage)
    with pytest.raises(RoundAborted, match=f"stage '{stage}': {threshold - 1} clients are left, {threshold}") as caught:
        round.close()
    assert (caught.value.stage, caught.value.have, caught.value.need) == (stage, threshold - 1, threshold)


def test_drops_of_several_stages_add_up(play: Make) -> None:
    round = play(7, 3, 5, drops={0: "advertise", 1: "share", 2: "mask"})
    with pytest.raises(RoundAborted) as caught:
        round.run()
    assert (caught.value.stage, caught.value.have) == ("mask", 4)
