"""The contract of backends: where clients run, and on which devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedsilo.core.messages import ClientScore, ClientTask, ClientUpdate, EvaluationTask
from fedsilo.core.method import Method
from fedsilo.core.privacy import Mechanism

Progress = Callable[[str, int, int], None]
"""progress(stage, done, total): called while work goes on."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Which device computes what.

    Attributes:
        here: Device of this process, for example for the features of the hand-written prompts.
        images: Device that encodes images, in this process or another one.
    """

    here: str
    images: str


class Backend(Protocol):
    """The place where clients run: this process, or Ray actors. All answers have the order of the tasks."""

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Trains clients for one exchange.

        Args:
            tasks: The task of each participant, by client.

        Returns:
            Their updates.
        """
        ...

    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Evaluates the models of clients, with the clients' private state.

        Args:
            tasks: The task of each client.

        Returns:
            Their scores.
        """
        ...

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        """Starts one exchange and does not wait for it; clients keep their updates until `masked` is called.

        Args:
            tasks: The task of each participant, by client.
        """
        ...

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        """Delivers messages of secure aggregation and collects the answers.

        Args:
            messages: The message for each client.
            timeout_s: Longest wait, seconds.

        Returns:
            The answer of each client; lost and late clients are left out.
        """
        ...

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        """Collects the masked updates of clients that were started by `learn`.

        Args:
            clients: The clients' numbers.

        Returns:
            The masked update of each client; lost and late clients are left out.
        """
        ...

    def set_method(self, method: Method, mechanism: Mechanism) -> None:
        """Gives every client a method, a fitted mechanism, and the method's initial private state.

        Args:
            method: The method.
            mechanism: The fitted mechanism.
        """
        ...

    def save(self, folder: Path) -> dict[int, str]:
        """Writes every client's private state.

        Args:
            folder: Where the files go.

        Returns:
            sha256 of the state, by client.
        """
        ...

    def restore(self, folder: Path, hashes: Mapping[int, str]) -> None:
        """Reads private states of clients.

        Args:
            folder: Where the files are.
            hashes: Expected sha256 of the state, for each client that is restored.
        """
        ...

    def reset(self, clients: Sequence[int]) -> None:
        """Gives clients the initial private state of their current method.

        Args:
            clients: The clients' numbers.
        """
        ...

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        """Restarts lost clients, with the method's initial private state.

        Args:
            method: The method.
            mechanism: The fitted mechanism.

        Returns:
            All clients that were restarted. They can be more than the lost ones: clients that shared a process or a
            machine with a lost one are restarted too.
        """
        ...

    def close(self) -> None:
        """Stops the clients and frees their resources."""
        ...
