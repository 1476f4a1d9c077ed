"""The classification task against logarithms by hand."""

from __future__ import annotations

import math

import pytest
import torch

from fedsilo.core.batch import named
from fedsilo.tasks.classification import Classification

TASK, AMONG = Classification(), named(("a", "b", "c"))
SCORES = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.6, 0.1]]))
LABELS = torch.tensor([0, 1, 1])
LOSSES = [-math.log(0.5), -math.log(0.2), -math.log(0.6)]


def test_a_tally_has_the_sum_of_losses_and_the_measures_their_mean() -> None:
    tally = TASK.tally(SCORES, TASK.targets(LABELS, AMONG), AMONG)
    assert (tally["correct"], tally["examples"]) == (2, 3)
    assert tally["loss"] == pytest.approx(sum(LOSSES), rel=1e-6)
    assert TASK.measures(tally) == pytest.approx({"accuracy": 2 / 3, "loss": sum(LOSSES) / 3}, rel=1e-6)


def test_losses_are_per_example_and_the_loss_is_their_mean() -> None:
    targets = TASK.targets(LABELS, AMONG)
    assert TASK.losses(SCORES, targets, AMONG).tolist() == pytest.approx(LOSSES, rel=1e-6)
    assert float(TASK.loss(SCORES, targets, AMONG)) == pytest.approx(sum(LOSSES) / 3, rel=1e-6)


def test_no_image_counts_nothing() -> None:
    assert TASK.tally(SCORES[:0], TASK.targets(LABELS[:0], AMONG), AMONG) == {"correct": 0, "examples": 0, "loss": 0.0}
    assert TASK.floor(AMONG) == {"accuracy": pytest.approx(1 / 3)}
