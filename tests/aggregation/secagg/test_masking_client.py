"""A client's update behind its masks: it leaves once, masked, in a round whose opening was checked."""

from typing import Any

import numpy as np
import pytest

from fedsilo.aggregation.secagg.encoding import read_kind
from fedsilo.aggregation.secagg.masking_client import MaskingClient
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_coordinator import SecureCoordinator
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Masked, Opening, Refusal, SealedShares, Unmask
from fedsilo.core.errors import ProtocolViolation

VECTORS = {client: np.array([client + 1, 2**32 - 1 - client], dtype=np.uint32) for client in range(3)}


def opened() -> tuple[SecureCoordinator, dict[int, MaskingClient]]:
    """A round of three clients that keep their vectors and have answered a mailbox: their masks are made."""
    coordinator = SecureCoordinator(Parameters((0, 1, 2), 3, 2, 0), b"run|0")
    clients = {number: MaskingClient(number) for number in VECTORS}
    opening = coordinator.opening().to_bytes()
    for client in clients.values():
        coordinator.receive(Advertise.from_bytes(client.answer(opening)))
    for number, roster in coordinator.close().items():
        coordinator.receive(SealedShares.from_bytes(clients[number].answer(roster.to_bytes())))
    for number, mailbox in coordinator.close().items():
        assert clients[number].answer(mailbox.to_bytes()) == b""
    return coordinator, clients


def refused(answer: bytes) -> str:
    assert read_kind(answer) == Refusal.kind
    return str(Refusal.from_bytes(answer).reason)


def test_kept_vectors_come_out_as_their_sum_and_are_checked_against_the_opening() -> None:
    coordinator, clients = opened()
    checked: list[Opening] = []
    for number, client in clients.items():
        client.keep(VECTORS[number].copy(), checked.append)
        masked = Masked.from_bytes(client.masked())
        assert masked.vector.tolist() != VECTORS[number].tolist()
        coordinator.receive(masked)
    for number, survivors in coordinator.close().items():
        coordinator.receive(Unmask.from_bytes(clients[number].answer(survivors.to_bytes())))
    coordinator.close()
    assert coordinator.result().total.tolist() == [1 + 2 + 3, (-1 - 2 - 3) % 2**32]
    assert [opening.context for opening in checked] == [b"run|0"] * 3


def test_a_vector_is_masked_once() -> None:
    _, clients = opened()
    clients[1].keep(VECTORS[1].copy(), lambda opening: None)
    assert read_kind(clients[1].masked()) == Masked.kind
    assert "client 1: has no update to mask" in refused(clients[1].masked())


def test_without_a_round_nothing_is_masked_or_opened_and_garbage_is_answered_with_a_refusal() -> None:
    client = MaskingClient(4)
    client.keep(VECTORS[0].copy(), lambda opening: None)
    assert "client 4: no round has been opened" in refused(client.masked())
    assert "no round has been opened" in refused(client.answer(b"garbage"))


@pytest.mark.parametrize("reason", ["parameters", "garbage"])
def test_a_vector_whose_check_fails_does_not_leave_and_only_unsafe_parameters_stop_the_run(reason: str) -> None:
    _, clients = opened()

    def check(opening: Any) -> None:
        raise ProtocolViolation("another encoding", reason=reason)

    clients[0].keep(VECTORS[0].copy(), check)
    if reason == "parameters":
        with pytest.raises(ProtocolViolation, match="another encoding"):
            clients[0].masked()
    else:
        assert refused(clients[0].masked()) == "another encoding"
    assert "has no update to mask" in refused(clients[0].masked())
