"""Federations whose clients drop out of secure sums at chosen stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsilo.aggregation.secagg.encoding import kind_of
from fedsilo.aggregation.secagg.protocol_messages import Mailbox, Opening, Roster, Survivors
from fedsilo.core import ClientTask, Mechanism, Method
from fedsilo.core.state import sha256
from fedsilo.simulation.client import Client
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals

STAGES = {Opening.kind: "advertise", Roster.kind: "share", Mailbox.kind: "prepare", Survivors.kind: "unmask"}

Drops = Mapping[int, tuple[str, Sequence[int]]]
"""Stage that clients are lost at, by the number of the sum in the run, counting those that were given up."""


class Leaking(SerialBackend):
    """Clients in this process, some of which are lost at a stage of a sum."""

    def __init__(self, clients: Sequence[Client], drops: Drops, mates: Sequence[int] = ()) -> None:
        super().__init__(clients)
        self.drops, self.sums, self.mates = drops, -1, set(mates)
        self.lost: set[int] = set()
        self.heard: list[dict[str, dict[int, bytes]]] = []
        self.began: list[dict[int, str]] = []

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        self.sums += 1
        self.heard.append({})
        self.began.append({client: sha256(self._clients[client]._private) for client in tasks})
        super().learn(tasks)

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        stage = STAGES[kind_of(next(iter(messages.values())))]
        return self._left(stage, super().answer(messages, timeout_s))

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        return self._left("mask", super().masked(clients))

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        back, self.lost = self.lost | self.mates, set()  # mates share a process with whoever is lost
        for client in back:
            self._clients[client].set_method(method, mechanism)
        return back

    def _left(self, stage: str, answers: dict[int, bytes]) -> dict[int, bytes]:
        at, gone = self.drops.get(self.sums, ("", ()))
        if at == stage:
            self.lost |= set(gone)
            answers = {client: answer for client, answer in answers.items() if client not in gone}
        self.heard[-1][stage] = answers
        return answers


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[Outcome, Leaking, Path]]:
    """Returns run(world, method, drops, mates, **plan): a federation in a new folder."""

    def go(
        here: Any,
        method: Method,
        drops: Drops = {},  # noqa: B006
        mates: Sequence[int] = (),
        **plan: Any,
    ) -> tuple[Outcome, Leaking, Path]:
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        here = replace(here, rules=replace(here.rules, aggregation=plan.get("aggregation")))
        backend = Leaking(here.clients(method), drops, mates)
        federation = Federation(
            here.plan(method, **plan), backend, Journals(folder), Checkpoints(folder / "checkpoints", 9)
        )
        return federation.run(lambda record: None), backend, folder

    return go
