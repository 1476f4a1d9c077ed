"""Sums of whole numbers in the clear: nearly the plain mean, and no single number of a client."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.plain import Plain
from fedsilo.core import Aggregation, ClientTask, Exchange, Gathered
from fedsilo.core.state import to_tensors
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.serial import SerialBackend

ROUNDS, BATCHES, BOTH = PromptFL(context_length=3), DPFPL(context_length=3, rank=2), FedOTP(context_length=3)


NAMED = {"ids": lambda method: type(method).__name__}


def one_exchange(here: Any, method: Any, aggregation: Aggregation, clients: Sequence[int] = (0, 1, 2)) -> Gathered:
    plan = here.plan(method)
    known = to_tensors({name: plan.initial[name] for name in method.uploads})
    if method.uploads_gradients:
        known = {name: torch.zeros_like(tensor) for name, tensor in known.items()}
    return aggregation.gather(
        Exchange(
            tasks={client: ClientTask(0, 0, plan.initial) for client in clients},
            backend=SerialBackend(here.clients(method)),
            reference=known,
            uniform=plan.mechanism.uniform or method.uniform,
            largest=max(plan.sizes),
            mechanism=plan.mechanism,
            charge=lambda charged: None,
        )
    )


@pytest.mark.parametrize("method", [ROUNDS, BATCHES, BOTH], **NAMED)
@pytest.mark.parametrize("weights", ["examples", "uniform"])
def test_the_mean_of_whole_numbers_is_the_plain_one_but_for_rounding(world: Any, method: Any, weights: str) -> None:
    here, sizes = world(), (20, 27, 34)
    plain, ring = (one_exchange(here, method, kind(weights=weights)) for kind in (Plain, Modular))
    scale = 2.0 ** math.floor(math.log2((2**31 - 4) / (3 * 8.0)))
    total = 3 if weights == "uniform" or method.uploads_gradients else sum(sizes) / max(sizes)
    for name, mean in plain.mean.items():
        off = np.abs(ring.mean[name].double().numpy() - mean.double().numpy()).max()
        # Rounding of three vectors over the sum of their weights, that of the weights (1e-7), and that to fp32.
        assert off <= 3 / (2 * scale) / total + 2e-7 * np.abs(mean.numpy()).max() + 1e-9
    assert ring.loss == pytest.approx(plain.loss, abs=1e-6)
    assert (ring.updates, ring.clients) == ({}, (0, 1, 2))


def test_neither_weight_nor_loss_nor_update_is_in_the_clear(world: Any) -> None:
    here = world()
    task = ClientTask(0, 0, here.plan(ROUNDS).initial)
    plan = replace(task, encoding=Modular().encode_tasks(exchange(here, task))[0])
    (first, second) = (client.train(plan) for client in here.clients(ROUNDS)[:2])
    assert (first.weight, math.isnan(first.loss)) == (second.weight, True) == (0, True)
    assert set(first.tensors) == {"modular"}


def exchange(here: Any, task: ClientTask) -> Exchange:
    known = to_tensors(task.shared)
    return Exchange(dict.fromkeys(range(3), task), None, known, False, 34, here.mechanism, lambda c: None)  # type: ignore[arg-type]
