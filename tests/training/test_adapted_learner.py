"""What learners with three families share: sums over parts, forbidden pairs, and texts that are encoded once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.learners.csp import CSPLearner
from fedsilo.learners.troika import TroikaLearner
from fedsilo.learners.vp_cmjl import VPCMJLLearner
from fedsilo.models.clip.text_tower import TextTower
from fedsilo.models.prompts.compositions import PairNumbers
from fedsilo.training.adapted_learner import FamilyLogits, mask_forbidden


def test_probabilities_of_parts_are_added_for_each_pair() -> None:
    logits = FamilyLogits(torch.zeros(1, 3), torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 3.0]]).log())
    pairs = PairNumbers(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1]))
    torch.testing.assert_close(logits.sum_parts(pairs), torch.tensor([[1.5, 0.5, 1.5]]))


def test_pairs_that_neither_test_nor_validation_allows_are_forbidden(toy_model: Any) -> None:
    masks = {
        "allowed": np.array([True, False, False, True, False]),
        "allowed_in_validation": np.array([False, True, False, True, False]),
    }
    some = replace(toy_model, candidates=replace(toy_model.candidates, **masks))
    found = mask_forbidden(torch.ones(1, 5), some)
    assert found.tolist() == [[1, 1, -torch.inf, 1, -torch.inf]]
    assert torch.equal(mask_forbidden(torch.ones(1, 5), toy_model), torch.ones(1, 5))


@pytest.mark.parametrize("learner", [CSPLearner(), TroikaLearner(adapters=False), VPCMJLLearner(adapters=False)])
def test_an_evaluation_encodes_its_texts_once_and_training_every_step(
    toy_model: Any, monkeypatch: pytest.MonkeyPatch, learner: Any
) -> None:
    model = replace(toy_model)  # with features of its own
    params, buffers = learner.init(model, 0, 0), learner.buffers(model, 0, 0)
    calls, run = [], TextTower.run
    monkeypatch.setattr(TextTower, "run", lambda self, *given: calls.append(1) or run(self, *given))
    generator = torch.Generator().manual_seed(6)
    images = {name: torch.randn(4, *shape, generator=generator) for name, shape in SHAPES.items()}
    with torch.no_grad():
        for _ in range(5):
            learner.scores(params, buffers, images, model)
        once = len(calls)
        assert once == (1 if isinstance(learner, CSPLearner) else 3), "one run for each family"
        learner.scores({**params, "table": params["table"] + 1}, buffers, images, model)
    assert len(calls) == 2 * once


SHAPES = {"image": (8,), "patches": (4, 8)}


def test_adapters_decide_what_is_read(toy_model: Any) -> None:
    adapted, frozen = VPCMJLLearner(), VPCMJLLearner(adapters=False)
    assert (adapted.reads, adapted.needs_image_blocks) == ({"hidden.0"}, 0)
    assert (frozen.reads, frozen.needs_image_blocks) == ({"image"}, None)
    assert [name for name in adapted.names() if name not in frozen.names()] == [
        f"adapters.{name}" for name in ("down", "down_bias", "up", "up_bias")
    ]
