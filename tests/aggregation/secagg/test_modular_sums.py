"""The encoding of an exchange: from the mechanism, the aggregation's keys and the clients; and its inverse."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.aggregation.modular import Modular
from fedsilo.core import ClientTask, Exchange, PrivacyContext, SumTerms
from fedsilo.core.errors import RunError
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.none import NoMechanism

TERMS = SumTerms(clients=3, uniform=False, largest=40, attempt=2, coordinates=6)


def fitted(noise: float) -> Any:
    facts = PrivacyContext(10, 3, 8, personal=False, gradients=False, sizes=(40,) * 3)
    return Distributed(noise_multiplier=noise, clip_norm=2.0).fit(facts)


def test_without_a_mechanism_the_aggregation_s_own_bound_holds_and_nothing_is_cut() -> None:
    found = Modular(bound=5.0).encoding(NoMechanism(), TERMS)
    assert (found.clients, found.bound, found.clamp, found.largest, found.attempt) == (3, 5.0, False, 40, 2)
    assert (found.share, found.uniform, found.tells_loss) == (0.0, False, True)
    assert Modular(weights="uniform").encoding(NoMechanism(), TERMS).uniform


def test_shares_of_noise_add_up_to_what_the_mechanism_needs() -> None:
    """Three shares together have at least the deviation multiplier * norm, at most four per cent more."""
    found = Modular().encoding(fitted(1.5), TERMS)
    assert found.clamp
    assert found.bound == fitted(1.5).coordinate_bound
    assert (found.honest, found.seeded) == (3, True)
    whole = found.share * math.sqrt(3) / found.values.scale
    assert 1.5 * 2.0 <= whole <= 1.04 * 1.5 * 2.0


def test_shares_finer_than_the_ring_are_refused_with_the_key() -> None:
    with pytest.raises(RunError, match=r"privacy\.noise_multiplier: 1e-07 gives shares of .* Take more noise"):
        Modular().encoding(fitted(1e-7), TERMS)


def test_tasks_carry_the_encoding_and_the_mean_is_known_plus_change() -> None:
    tasks = {client: ClientTask(0, 0, {}) for client in (4, 7)}
    known = {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([3.0])}
    exchange = Exchange(tasks, None, known, False, 40, NoMechanism(), lambda clients: None)  # type: ignore[arg-type]
    encoding, sent = Modular().encode_tasks(exchange)
    assert {client: task.encoding for client, task in sent.items()} == {4: encoding, 7: encoding}
    assert encoding.clients == 2
    total = sum(
        encoding.encode({"a": np.array([[change, 0.0]]), "b": np.array([-change])}, examples, 1.0, bytes(32))
        for change, examples in ((1.0, 40), (4.0, 20))
    )
    mean, loss = Modular().mean(SimpleNamespace(reference=known), encoding, total)  # type: ignore[arg-type]
    torch.testing.assert_close(mean["a"], torch.tensor([[3.0, 2.0]]).double(), atol=1e-7, rtol=0)
    torch.testing.assert_close(mean["b"], torch.tensor([1.0]).double(), atol=1e-7, rtol=0)
    assert loss == pytest.approx(1.0, abs=1e-6)
