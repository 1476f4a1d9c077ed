"""Sums of whole numbers: those under masks are those in the clear, and both are nearly the plain mean."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientTask, Exchange, Method
from fedsilo.core.errors import ClientError, RoundAborted
from fedsilo.core.seeds import KeyedGenerator, keyed_generator
from fedsilo.core.state import to_tensors
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.fedper import FedPer
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.ledger import Ledger
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import read_lines

ROUNDS, BATCHES, BOTH = PromptFL(context_length=3), DPFPL(context_length=3, rank=2), FedOTP(context_length=3)
NAMED = {"ids": lambda method: type(method).__name__}


def hashes(outcome: Any) -> tuple[Any, ...]:
    return outcome.shared_sha256, outcome.private_sha256, [dict(score) for score in outcome.scores]


@pytest.mark.parametrize("method", [ROUNDS, BATCHES, BOTH], **NAMED)
@pytest.mark.parametrize("weights", ["examples", "uniform"])
def test_a_sum_under_masks_is_bit_for_bit_the_one_in_the_clear(
    world: Any, run: Any, method: Method, weights: str
) -> None:
    here = world(rounds=2)
    secure, _, folder = run(here, method, aggregation=Secure(weights=weights))
    ring, _, _ = run(here, method, aggregation=Modular(weights=weights))
    assert hashes(secure) == hashes(ring)
    losses = [[record["loss"] for record in outcome.records] for outcome in (secure, ring)]
    assert losses[0] == losses[1]
    up = [line for line in read_lines(folder / "wire.jsonl") if line["direction"] == "up"]
    assert {"advertise", "shares", "masked", "unmask"} <= {str(line.get("message")) for line in up}
    assert not any("weight" in line.get("scalars", ()) or "context" in line.get("tensors", ()) for line in up)


@pytest.mark.parametrize("kind", [Modular, Secure])
def test_an_update_beyond_the_bound_stops_the_run_with_its_line(world: Any, run: Any, kind: Any) -> None:
    line = (
        r"aggregation.bound: a coordinate of an update has changed by \d\.?\S*, the bound is 0.001. Raise it, or lower"
    )
    with pytest.raises(ClientError, match=line):
        run(world(), ROUNDS, aggregation=kind(bound=0.001))


FOUR = (0, 2, 3, 4)
STAYING = {"advertise": FOUR, "share": FOUR, "prepare": FOUR, "mask": FOUR, "unmask": (0, 1, 2, 3, 4)}


@pytest.mark.parametrize(("stage", "clients"), STAYING.items())
@pytest.mark.parametrize("method", [ROUNDS, BATCHES], **NAMED)
def test_a_sum_is_exactly_that_of_the_clients_that_stayed(
    world: Any, run: Any, method: Any, stage: str, clients: tuple[int, ...]
) -> None:
    here = world(clients=5, rounds=1)
    outcome, backend, folder = run(here, method, {0: (stage, (1,))}, aggregation=Secure())
    plan, encoded = here.plan(method, aggregation=Modular()), {}
    for client in clients:  # by hand: an encoding for five, of whom these are there
        tasks = {c: ClientTask(0, 0, plan.initial) for c in range(5)}
        known = {name: torch.from_numpy(array.copy()) for name, array in plan.initial.items()}
        known = {n: torch.zeros_like(t) if method.uploads_gradients else t for n, t in known.items()}
        whole = Exchange(tasks, backend, known, method.uniform, max(plan.sizes), plan.mechanism, lambda c: None)
        encoded[client] = Modular().encode_tasks(whole)[1][client]
    sums = np.sum(
        [here.clients(method)[c].train(encoded[c]).tensors["modular"] for c in clients], axis=0, dtype=np.uint32
    )
    mean, loss = Modular().mean(whole, encoded[0].encoding, sums)  # type: ignore[arg-type]
    if not method.uploads_gradients:  # the mean is the next state
        kept, _ = Checkpoints(folder / "checkpoints", 9).newest()
        assert kept is not None
        assert torch.equal(kept.shared["context"], mean["context"].float())
        assert outcome.records[0]["loss"] == loss
    first = 0 if stage == "unmask" else 1
    assert outcome.records[0]["dropped"] == [1] * first
    assert list(outcome.notices) == ["round 0, exchange 0: without client 1."] * first
    assert backend.lost == set()


@pytest.mark.parametrize("stage", ["advertise", "share", "mask", "unmask"])
@pytest.mark.parametrize("method", [ROUNDS, BATCHES], **NAMED)
def test_a_sum_of_too_few_is_given_up_and_the_round_begins_again_with_other_keys_and_the_same_end(
    world: Any, run: Any, method: Method, stage: str
) -> None:
    here = world(clients=5, rounds=2)
    whole, _, _ = run(here, method, aggregation=Secure())
    second = 1 if method is ROUNDS else 8  # a sum of the second round
    again, backend, folder = run(here, method, {second: (stage, (0, 4))}, aggregation=Secure())
    assert hashes(again) == hashes(whole)
    assert len(again.notices) == 1
    assert again.notices[0].startswith("round 1 was tried again: secure sum: stage ")
    begun = [heard["advertise"] for heard in backend.heard]
    sent = [answer for heard in begun for answer in heard.values()]
    assert len(set(sent)) == len(sent), "no key is used twice"
    rounds = read_lines(folder / "rounds.jsonl")
    assert [line["dropped"] for line in rounds] == [[], []]


def test_a_run_ends_where_too_few_are_left_again_and_again(world: Any, run: Any) -> None:
    drops = dict.fromkeys(range(3), ("mask", (0, 1)))
    with pytest.raises(RoundAborted, match="3 clients are left, 4 are needed"):
        run(world(clients=5), ROUNDS, drops, aggregation=Secure())


@pytest.mark.parametrize("stage", ["mask", "unmask"])
def test_a_client_that_dropped_out_is_there_for_the_next_sum_as_of_the_last_checkpoint(
    world: Any, run: Any, stage: str
) -> None:
    here = world(clients=5, rounds=2)
    exchanges = here.plan(BATCHES).schedule.exchanges(tuple(range(5)))
    lost = exchanges + 2
    outcome, backend, folder = run(here, BATCHES, {lost: (stage, (3,))}, aggregation=Secure())
    kept = json.loads((folder / "checkpoints" / "round-0000" / "checkpoint.json").read_text())["private"]
    assert backend.began[lost][3] != kept["3"], "it had learnt since"
    assert backend.began[lost + 1][3] == kept["3"]
    assert all(backend.began[lost + 1][client] != kept[str(client)] for client in (0, 1, 2, 4))
    assert set(backend.heard[lost + 1]["mask"]) == set(range(5))
    assert [record["dropped"] for record in outcome.records] == ([[], [3]] if stage == "mask" else [[], []])


SHARES = Distributed(noise_multiplier=1.0)


@pytest.mark.parametrize(
    "mechanism",
    [
        Central(noise_multiplier=1.0, unit="example"),
        LocalNoise(noise_multiplier=1.0, unit="example"),
        Distributed(noise_multiplier=1.0, unit="example"),
    ],
)
def test_an_attempt_after_one_that_became_known_draws_new_noise_and_samples(
    world: Any, run: Any, mechanism: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exchange 0 is published, 1 is given up: what is published as 0 again must not share a draw with the first."""
    here = world(clients=5, rounds=1, batch_size=16, mechanism=mechanism)
    whole, _, _ = run(here, BATCHES, aggregation=Secure())
    drawn: list[tuple[Any, ...]] = []

    def noted(seed: int, purpose: str, **where: int) -> KeyedGenerator:
        drawn.append((purpose, *sorted(where.items())))
        return keyed_generator(seed, purpose, **where)

    for module in ("simulation.round", "core.round_work"):
        monkeypatch.setattr(f"fedsilo.{module}.keyed_generator", noted)
    again, _, folder = run(here, BATCHES, {1: ("mask", (0, 1))}, aggregation=Secure())
    lines = read_lines(folder / "ledger.jsonl")
    assert [line["attempt"] for line in lines if line["exchange"] == 0] == [0, 1]
    assert again.shared_sha256 != whole.shared_sha256
    assert len(set(drawn)) == len(drawn), "no draw of noise or of a sample serves twice"
    assert again.epsilon is not None
    assert whole.epsilon is not None
    assert again.epsilon > whole.epsilon, "it was charged twice"
    assert Ledger(folder, here.fitted(BATCHES), repeats=False).attempt(0, range(5)) == 2


def noise(here: Any, client: int = 0, round: int = 0, exchange: int = 0, attempt: int = 0) -> np.ndarray:
    """A client's share: its vector with and without."""
    plan = here.plan(ROUNDS)
    tasks = {c: ClientTask(round, exchange, plan.initial, attempt=attempt) for c in range(5)}
    known = to_tensors(plan.initial)
    whole = Exchange(tasks, None, known, True, 34, plan.mechanism, lambda c: None, attempt=attempt)  # type: ignore[arg-type]
    task = Secure().encode_tasks(whole)[1][client]
    clean = replace(task, encoding=replace(task.encoding, share=0.0))  # type: ignore[type-var]
    one = here.clients(ROUNDS)[client]
    return (one.train(task).tensors["modular"] - one.train(clean).tensors["modular"]).view(np.int32)[:48]


def test_shares_of_noise_differ_between_clients_rounds_exchanges_and_attempts(world: Any) -> None:
    here = world(clients=5, mechanism=SHARES)
    shares = [noise(here), *(noise(here, **{at: 1}) for at in ("client", "round", "exchange", "attempt"))]
    assert all(len(set(share.tolist())) > 40 for share in shares)
    correlation = np.corrcoef(np.array(shares, dtype=float)) - np.eye(5)
    assert np.abs(correlation).max() < 0.6  # 48 numbers: four deviations
    assert np.array_equal(noise(here), shares[0])


def test_noise_from_the_operating_system_is_never_the_same(world: Any, run: Any) -> None:
    ends = []
    for randomness in ("seed", "seed", "system", "system"):
        mechanism = Distributed(noise_multiplier=1.0, randomness=randomness)
        ends.append(run(world(rounds=1, mechanism=mechanism), ROUNDS, aggregation=Secure())[0].shared_sha256)
    assert ends[0] == ends[1]
    assert len(set(ends)) == 3


def test_who_shared_a_process_with_a_lost_client_goes_on_from_the_last_checkpoint_too(world: Any, run: Any) -> None:
    """Client 0 does not take part in round 1, in which client 1 drops out, and does in round 2."""
    here, method = world(clients=7, rounds=3, participation=0.8), FedPer(context_length=3)
    schedule = here.plan(method).schedule
    assert [0 in schedule.participants(round) for round in range(3)] == [True, False, True]
    alone, together = (
        run(here, method, {1: ("share", (1,))}, mates=mates, aggregation=Secure())[0] for mates in ((), (0,))
    )
    assert alone.records[1]["dropped"] == [1]
    assert hashes(together) == hashes(alone)
