"""What follows from the seed, and what must not when it is known to those that noise is to keep out."""

from typing import Any

import pytest
import torch

from fedsilo.aggregation.secure import Secure
from fedsilo.core.errors import RunError
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.privacy.ledger import Ledger
from fedsilo.privacy.ledger_lines import LedgerEntry
from fedsilo.privacy.mechanisms.distributed import Distributed

METHOD = DPFPL(context_length=3, rank=2)


def drawn(world: Any, randomness: str) -> tuple[Any, torch.Tensor]:
    """A sample, and the noise on a client's own gradients."""
    mechanism = Distributed(unit="example", noise_multiplier=2.0, randomness=randomness)
    work = world(mechanism=mechanism, batch_size=8).work(METHOD)
    noise = work.secret("private noise", 0).normal((50,))
    return [work.batch(number).targets["class"].tolist() for number in range(8)], noise


def test_the_seed_repeats_samples_and_noise_and_the_operating_system_does_not(world: Any) -> None:
    first, second = drawn(world, "seed"), drawn(world, "seed")
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])
    first, second = drawn(world, "system"), drawn(world, "system")
    assert first[0] != second[0]
    assert not torch.allclose(first[1], second[1])


def test_colluding_clients_are_refused_on_the_neighbours_graph() -> None:
    (line,) = Secure(graph="neighbours", colluding=1).refusals(50)
    assert line.startswith("colluding: 1 clients could cut")
    assert Secure(graph="neighbours").refusals(50) == []
    assert Secure(colluding=1).refusals(50) == []


def test_a_ledger_that_comes_to_less_than_was_recorded_is_refused(world: Any, tmp_path: Any) -> None:
    here = world(mechanism=Distributed(unit="example", noise_multiplier=2.0))
    ledger = Ledger(tmp_path, here.fitted(METHOD))
    for exchange in range(3):
        ledger.charge(LedgerEntry(0, exchange, 0, (0, 1, 2)))
    recorded = ledger.epsilon()
    ledger.hold(recorded)
    path = tmp_path / "ledger.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RunError, match="lines are missing"):
        Ledger(tmp_path, here.fitted(METHOD)).hold(recorded)
