"""Plain Newton steps: how few a problem takes."""

import pytest
import torch
from tests.models.prompts.transport_problems import drawn
from torch import Tensor

from fedsilo.models.prompts.plain_newton import PlainNewton, _Problems


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("gamma", [0.1, 0.8, 0.9999, 1.0])
@pytest.mark.parametrize(("prompts", "patches"), [(2, 49), (2, 576), (3, 196), (4, 49)])
def test_drawn_problems_take_few_plain_steps_and_no_search(
    prompts: int, patches: int, gamma: float, epsilon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is what the speed rests on: looks at a plan, of one problem, in the mean."""
    similarity, looks = drawn(prompts, patches), []
    transport = _Problems._transport

    def count(self: _Problems) -> Tensor:
        looks.append(self._scales.shape[1])
        return transport(self)

    monkeypatch.setattr(_Problems, "_transport", count)
    left = PlainNewton(epsilon, gamma * patches).fill(torch.empty_like(similarity), similarity, torch.arange(60))
    assert not len(left)
    assert sum(looks) <= 60 * (4.7 if epsilon == 0.01 or gamma == 0.9999 else 3.1)
