"""Whatever clients send, an exchange ends with a sum of the others, or is given up and can be tried again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.aggregation.secagg.encoding import VERSION, Message, read_kind
from fedsilo.aggregation.secagg.masking_client import MaskingClient
from fedsilo.aggregation.secagg.protocol_messages import (
    Advertise,
    Mailbox,
    Masked,
    Opening,
    Refusal,
    Roster,
    Sealed,
    SealedShares,
    SecretShare,
    Survivors,
    Unmask,
)
from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientTask, Exchange, Gathered, Mechanism, Method
from fedsilo.core.errors import ProtocolViolation, RoundAborted
from fedsilo.methods.fedper import FedPer
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals

CLIENTS, DIM, ATTEMPTS = 7, 5, 4
METHOD = FedPer(context_length=3)
KINDS: dict[str, type[Message]] = {"advertise": Advertise, "share": SealedShares, "mask": Masked, "unmask": Unmask}
STAGES = {Opening.kind: "advertise", Roster.kind: "share", Mailbox.kind: "prepare", Survivors.kind: "unmask"}
Spoil = Callable[["Talking", str, int, bytes], Any]
"""What becomes of a client's answer of a stage, as the coordinator gets it."""


@dataclass
class Talking:
    """Clients that talk and do not train; what some of them say is spoilt on its way.

    Attributes:
        spoils: What is done to the messages of a client, by its number and the stage.
        said: All that was said, by stage and client, before it was spoilt.
    """

    spoils: Mapping[tuple[int, str], Spoil]
    said: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clients = {number: MaskingClient(number) for number in range(CLIENTS)}

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        for number, task in tasks.items():
            assert task.encoding is not None
            change = {"a": np.full(DIM, 1.0 + number)}
            self.clients[number].keep(task.encoding.encode(change, 10, 0.5, bytes(32)), lambda parameters: None)

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, Any]:
        stage = STAGES[read_kind(next(iter(messages.values())))]
        return self._spoilt(stage, {n: self.clients[n].answer(message) for n, message in messages.items()})

    def masked(self, clients: Sequence[int]) -> dict[int, Any]:
        return self._spoilt("mask", {number: self.clients[number].masked() for number in clients})

    def _spoilt(self, stage: str, answers: dict[int, bytes]) -> dict[int, Any]:
        self.said |= {(stage, number): answer for number, answer in answers.items()}
        spoils = {n: self.spoils.get((n, stage), lambda talking, stage, number, answer: answer) for n in answers}
        return {number: self._one(spoils[number], stage, number, answer) for number, answer in answers.items()}

    def _one(self, spoil: Spoil, stage: str, number: int, answer: bytes) -> Any:
        return answer if read_kind(answer) == Refusal.kind else spoil(self, stage, number, answer)


def gather(talking: Talking, barred: frozenset[int] = frozenset(), attempt: int = 0) -> Gathered:
    exchange = Exchange(
        tasks={client: ClientTask(0, 0, {"a": np.zeros(DIM, dtype=np.float32)}) for client in range(CLIENTS)},
        backend=talking,  # type: ignore[arg-type]
        reference={"a": torch.zeros(DIM)},
        uniform=True,
        largest=10,
        mechanism=NoMechanism(),
        charge=lambda clients: None,
        attempt=attempt,
        barred=barred,
    )
    return Secure(bound=16.0).gather(exchange)


def exact(clients: Sequence[int]) -> float:
    return sum(1.0 + client for client in clients) / len(clients)


def is_exact(gathered: Gathered) -> bool:
    return bool(np.allclose(gathered.mean["a"], exact(gathered.clients), atol=1e-6))


def read(stage: str, answer: bytes) -> Any:
    return KINDS[stage].from_bytes(answer)


# Spoils that say in which way a message is wrong; each takes what it needs from hypothesis beforehand.


def flipped(at: int, bit: int) -> Spoil:
    def spoil(talking: Talking, stage: str, number: int, answer: bytes) -> bytes:
        changed = bytearray(answer or b"\0")
        changed[at % len(changed)] ^= 1 << bit
        return bytes(changed)

    return spoil


def cut(at: int) -> Spoil:
    return lambda talking, stage, number, answer: answer[: at % (len(answer) or 1)] or b"\0"


def longer(more: bytes) -> Spoil:
    return lambda talking, stage, number, answer: answer + more


def other(value: Any) -> Spoil:
    return lambda talking, stage, number, answer: value


def of_another_client(step: int) -> Spoil:
    return lambda talking, stage, number, answer: talking.said.get((stage, (number + step) % CLIENTS), b"none")


def of_another_stage(kept: str) -> Spoil:
    return lambda talking, stage, number, answer: talking.said.get((kept, number), b"none") or b"none"


def in_the_name_of(step: int) -> Spoil:
    def spoil(talking: Talking, stage: str, number: int, answer: bytes) -> bytes:
        if stage == "prepare":
            return Refusal((number + step) % CLIENTS, b"not me").to_bytes()
        return bytes(replace(read(stage, answer), sender=(number + step) % (CLIENTS + 2)).to_bytes())

    return spoil


def of_another_round(talking: Talking, stage: str, number: int, answer: bytes) -> bytes:
    return answer and bytes(replace(read(stage, answer), context=b"x" * 32).to_bytes())


def with_keys_of(step: int, bit: int) -> Spoil:
    """An advertisement with another client's key, in another encoding perhaps."""

    def spoil(talking: Talking, stage: str, number: int, answer: bytes) -> bytes:
        if stage != "advertise":
            return answer
        taken = bytearray(read(stage, talking.said[stage, (number + step) % CLIENTS]).masking_key)  # none refuses yet
        taken[31] ^= bit << 7
        return bytes(replace(read(stage, answer), encryption_key=bytes(taken)).to_bytes())

    return spoil


def with_weak_keys(talking: Talking, stage: str, number: int, answer: bytes) -> bytes:
    return bytes(replace(read(stage, answer), masking_key=bytes(32)).to_bytes()) if stage == "advertise" else answer


def sealing_garbage(least: int) -> Spoil:
    """Shares that some neighbours, or all, cannot read."""

    def spoil(talking: Talking, stage: str, number: int, answer: bytes) -> bytes:
        if stage != "share":
            return answer
        message = read(stage, answer)
        sealed = tuple(Sealed(s.peer, bytes(82)) if s.peer >= least else s for s in message.sealed)
        return bytes(replace(message, sealed=sealed).to_bytes())

    return spoil


def with_wrong_shares(least: int, value: bytes) -> Spoil:
    """Opened shares of which some are altered."""

    def spoil(talking: Talking, stage: str, number: int, answer: bytes) -> bytes:
        if stage != "unmask":
            return answer
        message = read(stage, answer)
        seeds = tuple(SecretShare(s.owner, value if s.owner >= least else s.value) for s in message.seeds)
        return bytes(replace(message, seeds=seeds).to_bytes())

    return spoil


def with_missing_shares(talking: Talking, stage: str, number: int, answer: bytes) -> bytes:
    return bytes(replace(read(stage, answer), seeds=()).to_bytes()) if stage == "unmask" else answer


SMALL = st.integers(0, CLIENTS - 1)
HUGE = VERSION + bytes(4) + b"\xff" * (1 << 20)
SPOILS = st.one_of(
    st.builds(flipped, st.integers(0, 10**6), st.integers(0, 7)),
    st.builds(cut, st.integers(0, 10**6)),
    st.builds(longer, st.binary(min_size=1, max_size=9)),
    st.builds(other, st.one_of(st.binary(max_size=99), st.none(), st.integers(), st.text(max_size=3))),
    st.just(other(HUGE)),
    st.builds(of_another_client, st.integers(1, CLIENTS - 1)),
    st.builds(of_another_stage, st.sampled_from(["advertise", "share", "mask", "unmask"])),
    st.builds(in_the_name_of, st.integers(1, CLIENTS + 1)),
    st.just(of_another_round),
    st.just(with_weak_keys),
    st.builds(sealing_garbage, SMALL),
    st.builds(with_wrong_shares, SMALL, st.binary(min_size=33, max_size=33)),
    st.just(with_missing_shares),
)
COPIES = st.builds(with_keys_of, SMALL, st.integers(0, 1))
"""Of two clients with the same key both are left out, so these cost more than who sent them."""
PLACES = st.tuples(SMALL, st.sampled_from(["advertise", "share", "prepare", "mask", "unmask"]))


def ended(spoils: Mapping[tuple[int, str], Spoil]) -> tuple[Gathered | None, Talking, list[RoundAborted]]:
    """Tries an exchange as a federation does: again where it was given up, without whom the abort names."""
    barred: frozenset[int] = frozenset()
    aborted: list[RoundAborted] = []
    for attempt in range(ATTEMPTS):
        talking = Talking(spoils)
        try:
            return gather(talking, barred, attempt), talking, aborted
        except RoundAborted as error:
            barred |= frozenset(error.clients)
            aborted.append(error)
    return None, talking, aborted


def lied_in_its_vector(talking: Talking, spoils: Mapping[tuple[int, str], Spoil]) -> bool:
    """Whether a spoilt message is a sound one with other coordinates: no protocol can see that."""
    for number in (n for n, stage in spoils if stage == "mask"):
        answer = talking.said.get(("mask", number), b"")
        spoilt = spoils[number, "mask"](talking, "mask", number, answer) if answer else b""
        try:
            message = Masked.from_bytes(spoilt) if isinstance(spoilt, bytes) else None
        except ProtocolViolation:
            continue
        if message and message.sender == number and spoilt != answer and len(message.vector) == DIM + 3:
            return True
    return False


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(PLACES, SPOILS, min_size=1, max_size=4))
def test_whatever_two_of_seven_clients_send_the_sum_of_the_others_comes_out(spoils: dict[Any, Spoil]) -> None:
    wrong = set(sorted({number for number, _ in spoils})[:2])
    spoils = {place: spoil for place, spoil in spoils.items() if place[0] in wrong}
    gathered, talking, _ = ended(spoils)
    assert gathered is not None, f"was given up {ATTEMPTS} times"
    assert set(range(CLIENTS)) - set(gathered.clients) <= wrong
    if not lied_in_its_vector(talking, spoils):
        assert is_exact(gathered)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(PLACES, st.one_of(SPOILS, COPIES), min_size=6, max_size=30))
def test_whatever_all_clients_send_nothing_but_an_abort_comes_of_it(spoils: dict[Any, Spoil]) -> None:
    gathered, talking, aborted = ended(spoils)
    assert gathered is not None or len(aborted) == ATTEMPTS
    if gathered is not None and not lied_in_its_vector(talking, spoils):
        assert is_exact(gathered)


BEFORE_IT_COUNTS = ["advertise", "share", "prepare", "mask"]


WRONG = {"garbage": b"garbage", "nothing": None, "huge": HUGE, "a refusal": Refusal(3, b"no \x07").to_bytes()}


@pytest.mark.parametrize("stage", BEFORE_IT_COUNTS)
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_client_whose_message_is_none_is_left_out_by_name(stage: str, wrong: Any) -> None:
    gathered = gather(Talking({(3, stage): other(wrong)}))
    assert gathered.clients == (0, 1, 2, 4, 5, 6)
    assert is_exact(gathered)
    (line,) = gathered.notices
    assert line.startswith("client 3 was left out: ")
    assert line.isprintable()


def test_a_wrong_answer_after_its_update_counts_leaves_it_in_and_is_named() -> None:
    gathered = gather(Talking({(3, "unmask"): other(b"garbage")}))
    assert (gathered.clients, gathered.silent) == (tuple(range(CLIENTS)), ())
    assert is_exact(gathered)
    assert gathered.notices[0].startswith("client 3 was left out")


def test_a_client_that_deals_shares_no_client_can_read_is_left_out_of_the_next_attempt() -> None:
    gathered, _, (aborted,) = ended({(2, "share"): sealing_garbage(0)})
    assert aborted.clients == (2,)
    assert gathered is not None
    assert gathered.clients == (0, 1, 3, 4, 5, 6)
    assert "client 2 was left out: its secrets could not be opened" in gathered.notices[0]


def test_an_abort_says_what_was_wrong_before() -> None:
    spoils = {(number, "mask"): other(b"garbage") for number in range(3)}
    with pytest.raises(RoundAborted, match=r"4 clients are left, 5 are needed.*client 0 was left out.*client 2 was"):
        gather(Talking(spoils))


def test_of_two_clients_with_one_key_neither_counts() -> None:
    """Which one drew it cannot be told, and the other could not take its masks off."""
    for bit in (0, 1):
        gathered = gather(Talking({(5, "advertise"): with_keys_of(3, bit)}))  # client 1's, which was heard before
        assert gathered.clients == (0, 2, 3, 4, 6)
        assert gathered.notices == ("clients [1, 5] advertised the same key and were left out",)


class Spoiling(SerialBackend):
    """Clients of one process, what one of them says in one sum of a run is garbage."""

    def __init__(self, here: Any, method: Method, number: int, stage: str, at: int) -> None:
        super().__init__(here.clients(method))
        self.place, self.at, self.sums = (number, stage), at, -1

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        self.sums += 1
        super().learn(tasks)

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        return self.spoilt(STAGES[read_kind(next(iter(messages.values())))], super().answer(messages, timeout_s))

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        return self.spoilt("mask", super().masked(clients))

    def spoilt(self, stage: str, answers: dict[int, bytes]) -> dict[int, bytes]:
        number, at = self.place
        return answers | ({number: b"garbage"} if (stage, self.sums) == (at, self.at) else {})


@pytest.mark.parametrize("stage", BEFORE_IT_COUNTS)
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("mechanism", [NoMechanism(), Distributed(noise_multiplier=1.0)], ids=["exact", "noisy"])
def test_a_client_that_sends_garbage_is_as_one_that_dropped_out(
    world: Any, run: Any, tmp_path: Path, stage: str, at: int, mechanism: Mechanism
) -> None:
    """In the first round, before there is a checkpoint, and in the next: the same bits in the end, and a notice."""
    method = METHOD
    here = world(clients=5, rounds=3, mechanism=mechanism, aggregation=Secure())
    dropped, _, _ = run(here, method, {at: (stage, (1,))}, aggregation=Secure())
    (tmp_path / "garbage").mkdir()
    journals, checkpoints = Journals(tmp_path / "garbage"), Checkpoints(tmp_path / "garbage" / "checkpoints", 9)
    backend = Spoiling(here, method, 1, stage, at)
    garbled = Federation(here.plan(method), backend, journals, checkpoints).run(lambda record: None)
    assert [record["dropped"] for record in garbled.records] == [record["dropped"] for record in dropped.records]
    assert (garbled.shared_sha256, garbled.private_sha256) == (dropped.shared_sha256, dropped.private_sha256)
    assert garbled.epsilon == dropped.epsilon
    first, second = garbled.notices
    assert first.startswith(f"round {at}, exchange 0: client 1 was left out: ")
    assert second == f"round {at}, exchange 0: without client 1."


def test_a_run_whose_client_deals_garbage_goes_on_without_it_and_has_it_again(world: Any, tmp_path: Path) -> None:
    class Dealing(Spoiling):
        def spoilt(self, stage: str, answers: dict[int, bytes]) -> dict[int, bytes]:
            if stage == "share" and 1 in answers and self.sums <= 1:  # both attempts at round 0
                message = SealedShares.from_bytes(answers[1])
                sealed = tuple(Sealed(one.peer, bytes(82)) for one in message.sealed)
                return answers | {1: replace(message, sealed=sealed).to_bytes()}
            return answers

    here = world(clients=5, rounds=2, aggregation=Secure())
    backend = Dealing(here, METHOD, 1, "", 0)
    journals, checkpoints = Journals(tmp_path), Checkpoints(tmp_path / "checkpoints", 9)
    outcome = Federation(here.plan(METHOD), backend, journals, checkpoints).run(lambda record: None)
    assert [record["dropped"] for record in outcome.records] == [[1], []]
    assert "round 0 was tried again: secure sum: stage 'unmask': the shares that came" in outcome.notices[0]
