"""DFSP without fusion: loss and gradients against a plain implementation, and means over the pairs of a part."""

from typing import Any

import pytest
import torch
from torch import Tensor

from fedsilo.learners.dfsp import DFSPLearner, average_scores


def test_loss_and_gradients_are_the_plain_ones(pairs_model: Any, pairs_batch: Any, plain: Any) -> None:
    seen, labels = pairs_model.seen_only(), pairs_batch.targets["class"]
    every = {part: torch.from_numpy(seen.candidates.parts[part]) for part in ("attribute", "object")}

    def loss(leaves: Any) -> Tensor:
        texts = plain.families(seen, leaves, leaves["table"] * plain.drop(leaves["table"].shape, 0.3))["pair"]
        z = 10.0 * plain.cosines(pairs_batch.inputs["image"], texts)
        parts = 0.0
        for part, count in (("attribute", 2), ("object", 3)):
            means = torch.stack([z[:, every[part] == number].mean(dim=1) for number in range(count)], dim=1)
            parts = parts + plain.cross_entropy(means, every[part][labels])
        return 1.1 * plain.cross_entropy(z, labels) + 0.01 * parts

    gradients = plain.check_training(DFSPLearner(), seen, pairs_batch, loss)
    assert set(gradients) == {"table", "contexts.pair"}


def test_scores_are_scaled_cosines_over_all_pairs(pairs_model: Any, pairs_batch: Any, plain: Any) -> None:
    params, buffers = plain.started(DFSPLearner(), pairs_model)
    with torch.no_grad():
        found = DFSPLearner().scores(params, buffers, pairs_batch.inputs, pairs_model)
    texts = plain.families(pairs_model, params, params["table"])["pair"]
    torch.testing.assert_close(found, 10.0 * plain.cosines(pairs_batch.inputs["image"], texts), rtol=1e-5, atol=1e-5)


def test_a_part_that_no_pair_has_is_left_out() -> None:
    means = average_scores(torch.tensor([[1.0, 2.0, 6.0]]), torch.tensor([0, 2, 2]), 3)
    assert means.tolist() == [[1.0, -torch.inf, pytest.approx(4.0)]]
