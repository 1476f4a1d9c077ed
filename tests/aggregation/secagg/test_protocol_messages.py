import dataclasses
import pickle
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.aggregation.secagg import protocol_messages as messages
from fedsilo.aggregation.secagg.encoding import MOST_NUMBER, Message
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.core.errors import ProtocolViolation

CONTEXT = b"c" * 32


def some(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


client = st.integers(0, MOST_NUMBER)
clients = st.sets(client, max_size=6).map(lambda found: tuple(sorted(found)))
number = st.integers(0, 2**32 - 1)
parameters = st.builds(
    Parameters, clients, number, number, number, st.sampled_from(["complete", "neighbours"]), number, number, number
)
advertise = st.builds(
    messages.Advertise, some(32), client, some(32), some(32), some(32), st.one_of(st.just(b""), some(64))
)


def ascending(items: st.SearchStrategy[Any], name: str) -> st.SearchStrategy[Any]:
    unique = st.lists(items, max_size=4, unique_by=lambda item: getattr(item, name))
    return unique.map(lambda found: tuple(sorted(found, key=lambda item: getattr(item, name))))


sealed = ascending(st.builds(messages.Sealed, client, some(82)), "peer")
shares = ascending(st.builds(messages.SecretShare, client, some(33)), "owner")
rows = st.lists(number, max_size=9).map(lambda values: np.array(values, dtype=np.uint32))
STRATEGIES: dict[type[Message], st.SearchStrategy[Any]] = {
    messages.Opening: st.builds(messages.Opening, st.binary(max_size=40), parameters),
    messages.Advertise: advertise,
    messages.Roster: st.builds(messages.Roster, some(32), ascending(advertise, "sender")),
    messages.SealedShares: st.builds(messages.SealedShares, some(32), client, sealed),
    messages.Mailbox: st.builds(messages.Mailbox, some(32), clients, sealed),
    messages.Masked: st.builds(messages.Masked, some(32), client, rows),
    messages.Survivors: st.builds(messages.Survivors, some(32), clients, clients),
    messages.Unmask: st.builds(messages.Unmask, some(32), client, shares, shares),
    messages.Refusal: st.builds(messages.Refusal, client, st.binary(max_size=40)),
}
KINDS = list(STRATEGIES)
anything = st.one_of(list(STRATEGIES.values()))


def test_all_messages_are_here() -> None:
    own = {kind.__name__ for kind in Message.__subclasses__() if kind.__module__.startswith("fedsilo.")}
    assert {kind.__name__ for kind in KINDS} == own
    assert sorted(kind.kind for kind in KINDS) == list(range(len(KINDS)))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(anything)
def test_bytes_come_back_as_the_message(message: Any) -> None:
    encoded = message.to_bytes()
    back = type(message).from_bytes(encoded)
    assert back.to_bytes() == encoded
    assert pickle.loads(pickle.dumps(message)).to_bytes() == encoded
    for field in dataclasses.fields(message):
        np.testing.assert_equal(getattr(back, field.name), getattr(message, field.name))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(anything, st.data())
def test_cut_lengthened_or_of_another_kind_it_is_refused(message: Any, data: st.DataObject) -> None:
    encoded = message.to_bytes()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    other = data.draw(st.sampled_from([kind for kind in KINDS if kind is not type(message)]))
    wrong_version = encoded[:3] + b"\x02" + encoded[4:]
    for kind, wrong in ((type(message), encoded[:cut]), (type(message), encoded + b"\0"), (other, encoded)):
        _assert_garbage(kind, wrong)
    _assert_garbage(type(message), wrong_version)


def assert_read_strictly(kind: type[Message], data: bytes) -> None:
    with suppress(ProtocolViolation):
        assert kind.from_bytes(data).to_bytes() == data


def _assert_garbage(kind: type[Message], data: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        kind.from_bytes(data)
    assert caught.value.reason == "garbage"


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(KINDS), st.binary(max_size=300), st.booleans())
def test_garbage_is_refused_or_is_a_message(kind: type[Message], data: bytes, headed: bool) -> None:
    """Nothing else is ever raised, and what is read writes the same bytes again: there is one encoding."""
    if headed:
        data = b"FSA\x01" + kind.kind.to_bytes(4, "little") + data
    assert_read_strictly(kind, data)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(anything, st.data())
def test_altered_bytes_are_refused_or_another_message(message: Any, data: st.DataObject) -> None:
    encoded = bytearray(message.to_bytes())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    assert_read_strictly(type(message), bytes(encoded))


def test_a_list_that_announces_too_much_allocates_nothing() -> None:
    data = b"FSA\x01" + (6).to_bytes(4, "little") + CONTEXT + b"\xff\xff\xff\xff"
    _assert_garbage(messages.Survivors, data)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (messages.Advertise, (CONTEXT, 1, b"k" * 31, b"k" * 32, b"k" * 32)),
        (messages.Advertise, (CONTEXT, 1, b"k" * 32, b"k" * 32, b"k" * 32, b"s" * 63)),
        (messages.Advertise, (CONTEXT, -1, b"k" * 32, b"k" * 32, b"k" * 32)),
        (messages.Advertise, (CONTEXT, MOST_NUMBER + 1, b"k" * 32, b"k" * 32, b"k" * 32)),
        (messages.Advertise, (b"short", 1, b"k" * 32, b"k" * 32, b"k" * 32)),
        (messages.Survivors, (CONTEXT, (1, 1), ())),
        (messages.Survivors, (CONTEXT, (2, 1), ())),
        (messages.Survivors, (CONTEXT, [1, 2], ())),
        (messages.Mailbox, (CONTEXT, (1, 2), (messages.Sealed(2, b"x" * 82), messages.Sealed(1, b"x" * 82)))),
        (messages.Sealed, (1, b"x" * 81)),
        (messages.SecretShare, (1, b"x" * 32)),
        (messages.Masked, (CONTEXT, 1, np.zeros(3, dtype=np.int64))),
        (messages.Masked, (CONTEXT, 1, np.zeros((3, 1), dtype=np.uint32))),
        (messages.Masked, (CONTEXT, 1, [1, 2, 3])),
    ],
)
def test_a_value_that_is_no_message_cannot_be_made(kind: type[Any], fields: tuple[Any, ...]) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        kind(*fields)
    assert caught.value.reason == "garbage"


def test_sizes_are_those_that_are_documented() -> None:
    entry = messages.Advertise(CONTEXT, 1, *(bytes([i]) * 32 for i in range(3)))
    ciphertexts = tuple(messages.Sealed(i, b"x" * 82) for i in range(5))
    opened = tuple(messages.SecretShare(i, b"x" * 33) for i in range(5))
    sizes = {
        entry: 144,
        dataclasses.replace(entry, signature=b"s" * 64): 208,
        messages.Roster(CONTEXT, (entry,)): 44 + 136,
        messages.SealedShares(CONTEXT, 1, ciphertexts): 48 + 86 * 5,
        messages.Mailbox(CONTEXT, tuple(range(6)), ciphertexts): 48 + 4 * 6 + 86 * 5,
        messages.Masked(CONTEXT, 1, np.zeros(7, dtype=np.uint32)): 48 + 4 * 7,
        messages.Survivors(CONTEXT, tuple(range(6)), (6, 7)): 48 + 4 * 8,
        messages.Unmask(CONTEXT, 1, opened, ()): 52 + 37 * 5,
    }
    assert {message: len(message.to_bytes()) for message in sizes} == sizes


def test_a_refusal_is_shown_as_one_short_line() -> None:
    shown = messages.Refusal(0, b"bad\n\x1b[31m\xff" + b"x" * 9000).reason
    assert shown.startswith("bad??[31m")
    assert shown.isprintable()
    assert len(shown) == messages.LONGEST_REASON
