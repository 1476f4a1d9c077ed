"""Where clients live, and what is computed where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedsilo.core.messages import ClientScore, ClientTask, ClientUpdate, EvaluationTask
from fedsilo.core.method import Method
from fedsilo.core.privacy import Mechanism

Progress = Callable[[str, int, int], None]
"""progress(stage, done, total): told as work goes on."""


@dataclass(frozen=True, slots=True)
class Devices:
    """What is computed where.

    Attributes:
        here: Where this process computes, what comes of the hand-written prompts for instance.
        images: Where images are encoded, in whichever process.
    """

    here: str
    images: str


class Backend(Protocol):
    """Where clients live: in this process or in Ray actors. All answers come in the order of the tasks."""

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Returns the updates of these clients for one exchange."""
        ...

    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Returns the scores of these clients' models, own private state included."""
        ...

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        """Has these clients begin one exchange whose updates they keep until `masked`; does not wait for them."""
        ...

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        """Returns the clients' answers to messages of secure aggregation; lost and late clients are left out."""
        ...

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        """Returns the masked updates of clients that were told to learn; lost and late clients are left out."""
        ...

    def set_method(self, method: Method, mechanism: Mechanism) -> None:
        """Has every client take up a method under a fitted mechanism, with its initial private state."""
        ...

    def save(self, folder: Path) -> dict[int, str]:
        """Has every client write its private state into the folder; returns the state's sha256 by client."""
        ...

    def restore(self, folder: Path, hashes: Mapping[int, str]) -> None:
        """Has the clients that are named read their private state, with the given hashes, from the folder."""
        ...

    def reset(self, clients: Sequence[int]) -> None:
        """Gives these clients the initial private state of the method that they have taken up."""
        ...

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        """Brings lost clients back and returns them all: they have the method's initial private state now.

        They may be more than were missed: whoever shared a process or a machine with one that was.
        """
        ...

    def close(self) -> None:
        """Ends the clients and gives back what they held."""
        ...
