"""What a client refuses: each refusal has a reason, gives nothing away, and ends the round for that client."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg.mask_expansion import MaskStream
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_client import SecureClient
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Mailbox, Roster, Sealed, Survivors
from fedsilo.aggregation.secagg.signatures import Members, Signer
from fedsilo.core.errors import ProtocolViolation

Make = Callable[..., Any]


def refuses(client: SecureClient, reason: str, call: Callable[..., Any], *arguments: Any) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        call(*arguments)
    error = caught.value
    assert (error.reason, error.client) == (reason, client.number)
    assert f"client {client.number}" in str(error)
    assert client._secrets is None  # nothing is left to give away
    with pytest.raises(ProtocolViolation):
        client.advertise()


@pytest.fixture
def roster(play: Make) -> Any:
    """A round of five in which client 0 has a roster but has not answered."""
    return play(5, seed=1, drops={0: "share"}).until("share")


@pytest.fixture
def mailbox(play: Make) -> Any:
    """A round of five in which client 0 has a mailbox but has not answered; client 4 gave no shares."""
    return play(5, 3, 4, seed=2, drops={0: "mask", 4: "share"}).until("mask")


@pytest.fixture
def survivors(play: Make) -> Any:
    """A round of seven in which client 0 has the survivors but has not answered; client 6 gave shares, no vector."""
    return play(7, 3, 5, seed=3, drops={0: "unmask", 6: "mask"}).until("unmask")


def test_calls_out_of_order(play: Make) -> None:
    for call in ("share", "prepare", "unmask"):
        round = play(3)
        message = Survivors(round.clients[0]._context, (0, 1, 2), ())
        refuses(round.clients[0], "order", getattr(round.clients[0], call), message)
    client = play(3).clients[0]
    refuses(client, "order", client.mask, np.zeros(3, dtype=np.uint32))


def test_a_second_call_of_any_stage(play: Make) -> None:
    for seed, (stage, call) in enumerate((("share", "advertise"), ("mask", "share"), ("unmask", "prepare"))):
        round = play(3, seed=seed).until(stage)
        client = round.clients[0]
        arguments = () if call == "advertise" else (round.inbox[0],)
        refuses(client, "order", getattr(client, call), *arguments)


def test_a_second_vector(play: Make) -> None:
    """Two vectors under one mask would show their difference."""
    client = play(3).until("unmask").clients[0]
    refuses(client, "order", client.mask, np.zeros(3, dtype=np.uint32))


def test_a_second_unmasking(survivors: Any) -> None:
    client, message = survivors.clients[0], survivors.inbox[0]
    client.unmask(message)
    assert client._secrets is None
    refuses(client, "order", client.unmask, message)


def test_messages_of_another_round(roster: Any, mailbox: Any, survivors: Any) -> None:
    for round, call in ((roster, "share"), (mailbox, "prepare"), (survivors, "unmask")):
        stale = dataclasses.replace(round.inbox[0], context=b"x" * 32)
        refuses(round.clients[0], "stale context", getattr(round.clients[0], call), stale)


def test_an_advertisement_of_another_round_on_the_roster(roster: Any) -> None:
    entries = roster.inbox[0].advertised
    stale = (*entries[:4], dataclasses.replace(entries[4], context=b"x" * 32))
    changed = dataclasses.replace(roster.inbox[0], advertised=stale)
    refuses(roster.clients[0], "stale context", roster.clients[0].share, changed)


@pytest.mark.parametrize("name", ["encryption_key", "masking_key", "commitment"])
def test_a_roster_with_its_own_keys_altered(roster: Any, name: str) -> None:
    entries = roster.inbox[0].advertised
    altered = dataclasses.replace(entries[0], **{name: b"x" * 32})
    changed = dataclasses.replace(roster.inbox[0], advertised=(altered, *entries[1:]))
    refuses(roster.clients[0], "altered roster", roster.clients[0].share, changed)


def test_a_roster_without_it(roster: Any) -> None:
    changed = dataclasses.replace(roster.inbox[0], advertised=roster.inbox[0].advertised[1:])
    refuses(roster.clients[0], "altered roster", roster.clients[0].share, changed)


@pytest.mark.parametrize(
    ("victim", "name", "of", "other"),
    [
        (2, "masking_key", 1, "masking_key"),
        (2, "encryption_key", 1, "masking_key"),
        (2, "masking_key", 0, "masking_key"),
        (2, "encryption_key", 2, "masking_key"),
    ],
)
def test_a_roster_with_a_repeated_key(roster: Any, victim: int, name: str, of: int, other: str) -> None:
    entries = list(roster.inbox[0].advertised)
    entries[victim] = dataclasses.replace(entries[victim], **{name: getattr(entries[of], other)})
    changed = dataclasses.replace(roster.inbox[0], advertised=tuple(entries))
    refuses(roster.clients[0], "repeated key", roster.clients[0].share, changed)


def test_a_roster_with_a_repeated_point_in_another_encoding(roster: Any) -> None:
    """X25519 ignores the highest bit, so both keys agree on the same secrets (RFC 7748, section 5)."""
    entries = list(roster.inbox[0].advertised)
    other = bytearray(entries[1].masking_key)
    other[31] ^= 0x80
    assert keys.agree(bytes(32), bytes(other)) == keys.agree(bytes(32), entries[1].masking_key)
    entries[2] = dataclasses.replace(entries[2], masking_key=bytes(other))
    changed = dataclasses.replace(roster.inbox[0], advertised=tuple(entries))
    refuses(roster.clients[0], "repeated key", roster.clients[0].share, changed)


@pytest.mark.parametrize("name", ["encryption_key", "masking_key"])
def test_a_roster_with_a_weak_key(roster: Any, name: str) -> None:
    entries = list(roster.inbox[0].advertised)
    entries[1] = dataclasses.replace(entries[1], **{name: bytes(32)})
    changed = dataclasses.replace(roster.inbox[0], advertised=tuple(entries))
    refuses(roster.clients[0], "weak key", roster.clients[0].share, changed)


def test_a_roster_with_strangers(roster: Any) -> None:
    stranger = Advertise(roster.clients[0]._context, 9, *(bytes([i]) * 32 for i in range(3)))
    changed = dataclasses.replace(roster.inbox[0], advertised=(*roster.inbox[0].advertised, stranger))
    refuses(roster.clients[0], "unknown client", roster.clients[0].share, changed)


def test_a_roster_below_the_threshold(roster: Any) -> None:
    changed = dataclasses.replace(roster.inbox[0], advertised=roster.inbox[0].advertised[:3])
    refuses(roster.clients[0], "too few clients", roster.clients[0].share, changed)


def test_a_mailbox_below_the_threshold(mailbox: Any) -> None:
    sent = mailbox.inbox[0]
    changed = Mailbox(sent.context, sent.clients[:3], sent.sealed[:2])
    refuses(mailbox.clients[0], "too few clients", mailbox.clients[0].prepare, changed)


@pytest.mark.parametrize("clients", [(0, 1, 2, 3, 5), (1, 2, 3, 4)])
def test_a_mailbox_of_strangers_or_without_it(mailbox: Any, clients: tuple[int, ...]) -> None:
    changed = dataclasses.replace(mailbox.inbox[0], clients=clients)
    refuses(mailbox.clients[0], "unknown client", mailbox.clients[0].prepare, changed)


def test_a_mailbox_with_shares_missing_or_added(mailbox: Any, play: Make) -> None:
    sent = mailbox.inbox[0]
    changed = dataclasses.replace(sent, sealed=sent.sealed[:-1])
    refuses(mailbox.clients[0], "wrong shares", mailbox.clients[0].prepare, changed)
    other = play(5, 3, 4, drops={0: "mask", 4: "share"}, seed=9).until("mask")
    added = dataclasses.replace(other.inbox[0], sealed=(*other.inbox[0].sealed, Sealed(4, b"x" * 82)))
    refuses(other.clients[0], "wrong shares", other.clients[0].prepare, added)


def goes_without(round: Any, changed: Mailbox, peers: set[int]) -> None:
    """Client 0 opens nothing that was altered: it takes part, and has no share of these peers' secrets to give."""
    client, others = round.clients[0], set(changed.clients) - peers
    client.prepare(changed)
    assert set(client._secrets.shares) == others
    client.mask(np.zeros(3, dtype=np.uint32))
    answer = client.unmask(Survivors(changed.context, changed.clients, ()))
    assert {share.owner for share in answer.seeds} == others


@pytest.mark.parametrize("at", [0, 40, 81])
def test_a_tampered_ciphertext(mailbox: Any, at: int) -> None:
    sealed = list(mailbox.inbox[0].sealed)
    altered = bytearray(sealed[1].ciphertext)
    altered[at] ^= 1
    sealed[1] = Sealed(sealed[1].peer, bytes(altered))
    goes_without(mailbox, dataclasses.replace(mailbox.inbox[0], sealed=tuple(sealed)), {sealed[1].peer})


def test_swapped_senders(mailbox: Any) -> None:
    first, second, *rest = mailbox.inbox[0].sealed
    swapped = (Sealed(first.peer, second.ciphertext), Sealed(second.peer, first.ciphertext), *rest)
    goes_without(mailbox, dataclasses.replace(mailbox.inbox[0], sealed=swapped), {first.peer, second.peer})


def test_a_ciphertext_that_was_meant_for_another(mailbox: Any) -> None:
    first, *rest = mailbox.inbox[0].sealed
    stolen = next(sealed for sealed in mailbox.inbox[2].sealed if sealed.peer == first.peer)
    goes_without(mailbox, dataclasses.replace(mailbox.inbox[0], sealed=(stolen, *rest)), {first.peer})


def test_its_own_ciphertext_sent_back(mailbox: Any) -> None:
    """Both directions between two clients have keys of their own."""
    first, *rest = mailbox.inbox[0].sealed
    mine = next(sealed for sealed in mailbox.inbox[first.peer].sealed if sealed.peer == 0)
    changed = dataclasses.replace(mailbox.inbox[0], sealed=(Sealed(first.peer, mine.ciphertext), *rest))
    goes_without(mailbox, changed, {first.peer})


@pytest.mark.parametrize(
    "vector",
    [
        np.zeros(2, np.uint32),
        np.zeros(3, np.int64),
        np.zeros(3),
        np.zeros((1, 3), np.uint32),
        np.frombuffer(bytes(12), dtype=np.uint32),  # cannot be written
    ],
)
def test_a_vector_of_another_kind(mailbox: Any, vector: Any) -> None:
    client = mailbox.clients[0]
    client.prepare(mailbox.inbox[0])
    refuses(client, "wrong vector", client.mask, vector)


@pytest.mark.parametrize(
    ("alive", "dropped", "reason"),
    [
        ((0, 1, 2, 3, 4, 5, 7), (6,), "unknown client"),  # not of those who gave shares
        ((0, 1, 2, 3, 4, 5), (6, 7), "unknown client"),
        ((0, 1, 2, 3, 4), (6,), "unknown client"),  # 5 is in neither
        ((0, 1, 2, 3, 4, 5), (5, 6), "overlapping lists"),
        ((0, 1, 2, 3, 4, 5, 6), (6,), "overlapping lists"),
        ((1, 2, 3, 4, 5), (0, 6), "not a survivor"),
        ((0, 1, 2, 3), (4, 5, 6), "too few clients"),
    ],
)
def test_survivors_that_would_open_more(survivors: Any, alive: Any, dropped: Any, reason: str) -> None:
    message = Survivors(survivors.inbox[0].context, alive, dropped)
    refuses(survivors.clients[0], reason, survivors.clients[0].unmask, message)


def test_survivors_that_fall_into_parts(play: Make) -> None:
    """On a ring of eight with two dropped that are not next to each other, two sums would be opened."""
    parameters = Parameters(tuple(range(8)), 5, 3, 0, "neighbours", 2, 2)
    round = play(parameters=parameters).until("unmask")
    client = round.clients[0]
    graph = client._session.graph
    ring = [0]
    while len(ring) < 8:
        ring.append(min(graph[ring[-1]] - set(ring)))
    dropped = tuple(sorted((ring[2], ring[5])))
    alive = tuple(sorted(set(range(8)) - set(dropped)))
    refuses(client, "disconnected", client.unmask, Survivors(client._context, alive, dropped))


def test_never_both_secrets_of_one_client(survivors: Any) -> None:
    answer = survivors.clients[0].unmask(survivors.inbox[0])
    assert [share.owner for share in answer.seeds] == [0, 1, 2, 3, 4, 5]
    assert [share.owner for share in answer.keys] == [6]


def test_a_key_drawn_in_two_rounds(play: Make) -> None:
    play(3, context=b"run|0").collect("advertise")
    again = play(3, context=b"run|1").clients[0]
    refuses(again, "key reuse", again.advertise)


def test_unsafe_parameters_and_strangers_at_the_door() -> None:
    for parameters, number in ((Parameters((0, 1, 2), 1, 1), 0), (Parameters((0, 1, 2), 3, 1), 3)):
        with pytest.raises(ProtocolViolation) as caught:
            SecureClient(number, parameters, b"run")
        assert caught.value.reason == "parameters"


def test_signed_rosters_show_invented_clients() -> None:
    parameters = Parameters((0, 1, 2), 3, 2)
    private = {i: bytes([i]) * 32 for i in range(3)}
    members = Members({i: Signer.public_of(key) for i, key in private.items()})
    for invented in (None, 1):
        clients = [SecureClient(i, parameters, b"run", Signer(private[i], members)) for i in range(3)]
        entries = [client.advertise() for client in clients]
        context = entries[0].context
        if invented is not None:
            other = SecureClient(invented, parameters, b"run", Signer(private[2], members)).advertise()
            entries[invented] = other
        roster = Roster(context, tuple(entries))
        if invented is None:
            assert len(clients[0].share(roster).sealed) == 2
        else:
            refuses(clients[0], "bad signature", clients[0].share, roster)


def test_an_unsigned_roster_where_signatures_are_asked_for() -> None:
    parameters = Parameters((0, 1, 2), 3, 2)
    signing = SecureClient(0, parameters, b"run", Signer(bytes(32), Members({0: Signer.public_of(bytes(32))})))
    entries = [client.advertise() for client in (signing, *(SecureClient(i, parameters, b"run") for i in (1, 2)))]
    refuses(signing, "bad signature", signing.share, Roster(entries[0].context, tuple(entries)))


def test_a_failure_of_another_kind_wipes_too(play: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    round = play(3).until("mask")

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(MaskStream, "add", fail)
    with pytest.raises(MemoryError):
        round.clients[0].prepare(round.inbox[0])
    refuses(round.clients[0], "order", round.clients[0].prepare, round.inbox[0])


def test_wiping_forgets_all(mailbox: Any) -> None:
    client = mailbox.clients[0]
    client.prepare(mailbox.inbox[0])
    mask = client._secrets.mask
    client.wipe()
    assert not mask.any()
    refuses(client, "order", client.mask, np.zeros(3, dtype=np.uint32))
