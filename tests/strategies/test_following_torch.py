"""Training at clients and on the server against a loop of torch's own, with its optimizers and schedules."""

from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from fedsilo.core.training_settings import LearningRateSchedule, Optimizer
from fedsilo.strategies.fedavg import FedAvgStrategy


def walk(batches: list[torch.Tensor], by: str, optimizer: torch.optim.Optimizer, at: torch.Tensor) -> list[float]:
    """Torch's own loop: every batch is a round's step; returns where it is after each round."""
    per_round = len(batches)
    scheduler = CosineAnnealingLR(optimizer, 3 * (per_round if by == "step" else 1))
    found = []
    for _ in range(3):
        for batch in batches:
            optimizer.zero_grad()
            ((at - batch).square() / 2).mean().backward()
            optimizer.step()
            if by == "step":
                scheduler.step()
        if by == "round":
            scheduler.step()
        found.append(float(at.detach()))
    return found


MAKERS: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("by", ["round", "step"])
@pytest.mark.parametrize("way", ["round", "batch"])
def test_a_client_and_a_server_follow_torch_s_optimizer_and_schedule(
    federation: Any, kind: str, by: str, way: str
) -> None:
    """One client with equal batches: FedAvg with the state kept, and FedSGD, whose server always keeps it."""
    start = torch.tensor([1.0], requires_grad=True)
    momentum = {"momentum": 0.9} if kind == "sgd" else {}
    theirs = MAKERS[kind]([start], lr=0.1, weight_decay=0.01, **momentum)
    expected = walk([torch.tensor([3.0])] * 2, by, theirs, start)
    optimizer = Optimizer(kind, 0.1, 0.9, 0.01, state="kept")
    keys = {"optimizer": optimizer, "schedule": LearningRateSchedule("cosine", by=by), "rounds": 3}
    run = federation(FedAvgStrategy(synchronise=way), data=((3.0, 3.0),), batch_size=1, **keys)
    assert [run.step()["w"] for _ in range(3)] == pytest.approx(expected, rel=1e-5)
