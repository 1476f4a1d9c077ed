"""MOON against a hand: representations (w x, v x), the gradient of the contrast by finite differences."""

from math import exp, hypot, log
from typing import Any

import pytest

from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.moon import LAST, MoonStrategy

MU, TAU = 2.0, 0.5
Point = tuple[float, float]


def cosine(a: Point, b: Point) -> float:
    return (a[0] * b[0] + a[1] * b[1]) / (hypot(*a) * hypot(*b))


def contrast(at: Point, shared: Point, last: Point) -> float:
    """The same for every number x > 0 of a batch, since cosines have no length."""
    near, far = exp(cosine(at, shared) / TAU), exp(cosine(at, last) / TAU)
    return -MU * log(near / (near + far))


def step(at: Point, shared: Point, last: Point | None, target: float) -> Point:
    def term(w: float, v: float) -> float:
        return contrast((w, v), shared, last) if last else 0.0

    h, (w, v) = 1e-6, at
    pull = (term(w + h, v) - term(w - h, v)) / (2 * h), (term(w, v + h) - term(w, v - h)) / (2 * h)
    return w - 0.1 * (w - target + pull[0]), v - 0.1 * (v - 2 * target + pull[1])


def test_three_rounds_of_the_contrast(federation: Any, seen: Any, private: Any) -> None:
    run = federation(MoonStrategy(mu=MU, temperature=TAU), seen(), local_epochs=2)
    shared: Point = (1.0, -1.0)
    last: list[Point | None] = [None, None]
    for _ in range(3):
        ends = []
        for client, target in ((0, 3.0), (1, 6.0)):
            at = shared
            for _ in range(2):
                at = step(at, shared, last[client], target)
            ends.append(at)
        found = run.step()
        shared = ((2 * ends[0][0] + ends[1][0]) / 3, (2 * ends[0][1] + ends[1][1]) / 3)
        last = list(ends)
        assert (found["w"], found["v"]) == pytest.approx(shared, rel=1e-4)
        assert private(run, 1)[LAST + "w"] == pytest.approx(ends[1][0], rel=1e-4)
    assert set(run.uploads[0]) == {"w", "v"}


def test_with_mu_0_it_is_fedavg(federation: Any, seen: Any) -> None:
    off, plain = federation(MoonStrategy(mu=0.0), seen()), federation(FedAvgStrategy(), seen())
    assert [off.step() for _ in range(3)] == [plain.step() for _ in range(3)]


def test_learners_without_a_representation_and_gradients_are_refused(pair: Any, seen: Any) -> None:
    (line,) = MoonStrategy().refusals(pair())
    assert "representations" in line
    assert "fedprox" in line
    assert MoonStrategy().refusals(seen()) == []
    (line,) = MoonStrategy(synchronise="batch").problems()
    assert "'round'" in line


def test_it_cannot_be_clipped_by_example(federation: Any, seen: Any) -> None:
    """The clip by example sees the task's loss alone, so the contrast would be left out."""
    assert not federation(MoonStrategy(), seen()).method.separable
