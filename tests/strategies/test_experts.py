"""The strategy of experts against a hand: who receives whose last number."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from fedsilo.strategies.experts import ExpertsStrategy
from fedsilo.strategies.fedavg import FedAvgStrategy

DATA = ((3.0,), (6.0,), (4.0,))


@pytest.fixture
def mixer(pair: Any) -> Any:
    @dataclass(frozen=True)
    class Mixer(pair):  # type: ignore[misc]
        """The pair, v its gate: with experts the loss of v is with the mean of them as well."""

        own: tuple[str, ...] = ("v",)
        mixed = "w"

        def loss(self, params: Any, buffers: Any, batch: Any, frozen: Any, task: Any) -> Any:
            experts = buffers["experts"]
            gate = (params["v"] - experts.mean()).square().mean() / 2 if len(experts) else 0 * params["v"].sum()
            return (params["w"] - batch.inputs["image"]).square().mean() / 2 + gate

    return Mixer()


def test_three_rounds_of_means_experts_and_gates(federation: Any, mixer: Any, close: Any, private: Any) -> None:
    run = federation(ExpertsStrategy(experts=2), mixer, data=DATA)
    w = 1.0
    last = [0.0] * 3
    for round in range(3):
        received = [run.method.download(run.shared, c)["experts"].flatten().tolist() for c in range(3)]
        if round:
            nearest = [min((o for o in range(3) if o != c), key=lambda o: abs(last[o] - last[c])) for c in range(3)]
            assert received == [[pytest.approx(last[o])] for o in nearest]
            assert nearest == [2, 2, 0]
        else:
            assert received == [[], [], []]
        before = private(run, 0)["v"]
        found = run.step()
        last = [w - 0.1 * (w - target[0]) for target in DATA]
        w = sum(last) / 3
        close(found, {"w": w})
        gate = before - 0.1 * (before - received[0][0]) if round else -1.0
        close(private(run, 0), {"v": gate, "own_w": last[0]})
        assert set(run.uploads[0]) == {"w"}


def test_a_round_can_begin_from_the_own_number(federation: Any, mixer: Any, close: Any, private: Any) -> None:
    run = federation(ExpertsStrategy(begin_from="own"), mixer, data=DATA)
    run.step(), run.step()
    close(private(run, 1), {"own_w": 6 - 5 * 0.9**2})


def test_random_experts_are_the_same_in_every_process_and_change_from_round_to_round(
    federation: Any, mixer: Any
) -> None:
    data = tuple((float(n),) for n in range(8))
    runs = [federation(ExpertsStrategy(experts=4, selection="random"), mixer, data=data) for _ in range(2)]
    drawn = []
    for _ in range(3):
        for run in runs:
            run.step()
        first, again = ([run.method.download(run.shared, c)["experts"] for c in range(8)] for run in runs)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        lasts = [float(run.private[c]["own_w"]) for c in range(8)]
        drawn.append(tuple(lasts.index(float(expert)) for expert in first[0]))
    assert len(set(drawn)) > 1
    assert all(0 not in chosen and len(chosen) == 3 for chosen in drawn)


def test_the_mean_is_fedavg_s(federation: Any, mixer: Any, pair: Any) -> None:
    run, plain = federation(ExpertsStrategy(), mixer, data=DATA), federation(FedAvgStrategy(), data=DATA)
    assert [run.step()["w"] for _ in range(2)] == [plain.step()["w"] for _ in range(2)]


def test_learners_that_mix_nothing_and_other_strategies_for_those_that_do_are_refused(pair: Any, mixer: Any) -> None:
    (line,) = ExpertsStrategy().refusals(pair())
    assert "moap" in line
    (line,) = FedAvgStrategy().refusals(mixer)
    assert "strategy experts" in line
    (line,) = ExpertsStrategy(synchronise="batch").problems()
    assert "'round'" in line
