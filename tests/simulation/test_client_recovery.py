"""What lost clients are told, in which order: by a backend that notes every call."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fedsilo.core.errors import ClientLost
from fedsilo.simulation.client_recovery import ClientRecovery

BEFORE: Any = SimpleNamespace(folder=Path("round-0004"), private={client: f"hash {client}" for client in range(4)})


class Noting:
    """A backend that loses its clients in some calls of `set_method`, and whose restarts bring some clients back."""

    def __init__(self, lost: int = 0, back: frozenset[int] = frozenset()) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.lost, self.back = lost, back

    def restart(self, method: str, mechanism: str) -> frozenset[int]:
        self.calls.append(("restart", method, mechanism))
        return self.back

    def set_method(self, method: str, mechanism: str) -> None:
        self.calls.append(("set", method, mechanism))
        if self.lost:
            self.lost -= 1
            raise ClientLost(f"client {self.lost} is gone", self.lost)

    def restore(self, folder: Path, private: dict[int, str]) -> None:
        self.calls.append(("restore", folder.name, dict(private)))

    def reset(self, clients: list[int]) -> None:
        self.calls.append(("reset", clients))


RESTART, SET = ("restart", "m", "p"), ("set", "m", "p")
RESTORE = ("restore", "round-0004", BEFORE.private)


def recovery(backend: Noting, retries: int = 2) -> ClientRecovery:
    return ClientRecovery(SimpleNamespace(method="m", mechanism="p", retries=retries), backend)  # type: ignore[arg-type]


def test_clients_get_the_method_and_then_their_private_states() -> None:
    for checkpoint, calls in ((None, [SET]), (BEFORE, [SET, RESTORE])):
        backend = Noting()
        assert recovery(backend).prepare(checkpoint) == []
        assert backend.calls == calls


def test_clients_lost_meanwhile_are_restarted_and_every_attempt_is_a_notice() -> None:
    backend = Noting(lost=2)
    notices = recovery(backend).prepare(BEFORE)
    assert backend.calls == [SET, RESTART, SET, RESTART, SET, RESTORE]
    assert [line.startswith("the method was set again: ") for line in notices] == [True, True]
    assert ["client 1 is gone" in notices[0], "client 0 is gone" in notices[1]] == [True, True]


def test_clients_lost_in_every_attempt_end_the_run() -> None:
    backend = Noting(lost=9)
    with pytest.raises(ClientLost, match="client 6 is gone"):
        recovery(backend).prepare(None)
    assert backend.calls == [SET, RESTART, SET, RESTART, SET]


def test_all_clients_go_back_to_before_the_round() -> None:
    for checkpoint, calls in ((None, [RESTART, SET]), (BEFORE, [RESTART, RESTORE])):
        backend = Noting()
        recovery(backend).go_back(checkpoint)
        assert backend.calls == calls


def test_clients_that_dropped_out_come_back_as_of_the_checkpoint_and_before_round_0_fresh() -> None:
    backend = Noting(back=frozenset({2, 1}))
    recovery(backend).bring_back([1, 0], [3], BEFORE)
    assert backend.calls == [RESTART, ("restore", "round-0004", BEFORE.private)]
    backend = Noting(back=frozenset({3, 1}))
    recovery(backend).bring_back([1, 0, 2], [3], None)
    assert backend.calls == [RESTART, ("reset", [0, 2])]
