"""One step of a server optimizer along a mean change, on numbers worked out by hand."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from fedsilo.training.server_optimizers import FIRST, SECOND, Adaptive

CHANGE = torch.tensor([0.5, -2.0], dtype=torch.float64)


@dataclass(frozen=True)
class Summing(Adaptive):
    """v is the sum of the squares."""

    def update_second_moment(self, before: Tensor, square: Tensor) -> Tensor:
        return before + square


def test_two_steps_are_those_of_the_algorithm() -> None:
    optimizer = Summing(server_rate=0.1, beta_1=0.6, tau=0.5)
    moved, memory = optimizer.step(CHANGE, {})
    assert optimizer.memory() == (FIRST, SECOND) == tuple(memory)
    for at, d in enumerate((0.5, -2.0)):
        m, v = 0.4 * d, 0.5**2 + d * d
        assert float(memory[FIRST][at]) == pytest.approx(m)
        assert float(memory[SECOND][at]) == pytest.approx(v)
        assert float(moved[at]) == pytest.approx(0.1 * m / (v**0.5 + 0.5))
    moved, memory = optimizer.step(2 * CHANGE, memory)
    for at, d in enumerate((0.5, -2.0)):
        m, v = 0.6 * 0.4 * d + 0.4 * 2 * d, 0.5**2 + 5 * d * d
        assert float(memory[FIRST][at]) == pytest.approx(m)
        assert float(memory[SECOND][at]) == pytest.approx(v)
        assert float(moved[at]) == pytest.approx(0.1 * m / (v**0.5 + 0.5))


def test_a_parameter_that_does_not_change_stays() -> None:
    moved, memory = Summing().step(torch.zeros(3, dtype=torch.float64), {})
    assert moved.tolist() == [0.0] * 3
    assert memory[SECOND].tolist() == pytest.approx([0.001**2] * 3)
