"""Where clients live, and what is computed where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedsilo.contracts.learning import Method
from fedsilo.contracts.messages import ClientScore, ClientTask, ClientUpdate, EvaluationTask

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

    def enter(self, method: Method) -> None:
        """Has every client take up a method, with its initial private state."""
        ...

    def save(self, folder: Path) -> dict[int, str]:
        """Has every client write its private state into the folder; returns the state's sha256 by client."""
        ...

    def restore(self, folder: Path, hashes: Mapping[int, str]) -> None:
        """Has every client read its private state, with the given hashes, from the folder."""
        ...

    def revive(self, method: Method) -> None:
        """Brings lost clients back, with the method's initial private state."""
        ...

    def close(self) -> None:
        """Ends the clients and gives back what they held."""
        ...
