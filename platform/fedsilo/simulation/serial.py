"""The serial backend: all clients in this process, one after the other. The one to debug in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fedsilo.core import (
    ClientScore,
    ClientTask,
    ClientUpdate,
    Devices,
    EvaluationTask,
    Examples,
    Mechanism,
    Method,
)
from fedsilo.core.errors import ClientError, FedsiloError
from fedsilo.simulation.client import Client, ClientRules

if TYPE_CHECKING:  # actors need the backend, not what encodes images and runs rounds: 200 MB and seconds less for each
    from fedsilo.models.clip.features import Chunk, EncodedChunk
    from fedsilo.models.clip.image_encoder import ImageEncoder
    from fedsilo.simulation.federation_plan import Outcome
    from fedsilo.simulation.job import Job, MethodRoundCallback
    from fedsilo.simulation.preparation import Prepared

Given = TypeVar("Given")
Result = TypeVar("Result")


class SerialBackend:
    """Clients as plain objects; the reference that the Ray backend must equal bit for bit."""

    def __init__(self, clients: Sequence[Client]) -> None:
        """Takes the clients in client order: all of a federation, or those that share a process of it."""
        self._clients = {client.number: client for client in clients}

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Trains clients for one exchange, one after the other.

        Args:
            tasks: What each client is asked, by client.

        Returns:
            The updates, in the order of the tasks.
        """
        return [_at(n, "train", self._clients[n].train, task) for n, task in tasks.items()]

    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Evaluates clients, one after the other.

        Args:
            tasks: What each client is asked, by client.

        Returns:
            The scores, in the order of the tasks.
        """
        return [_at(n, "evaluate", self._clients[n].evaluate, task) for n, task in tasks.items()]

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        """Trains clients; their updates stay with them until `masked`.

        Args:
            tasks: What each client is asked, by client.
        """
        for number, task in tasks.items():
            _at(number, "train", self._clients[number].learn, task)

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        """Passes messages of secure aggregation to clients.

        Args:
            messages: Bytes by client.
            timeout_s: Time limit in seconds; not used, since no client of this process can be late.

        Returns:
            Answers by client.
        """
        return {n: _at(n, "answer", self._clients[n].answer, message) for n, message in messages.items()}

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        """Collects masked updates.

        Args:
            clients: Clients that have learnt.

        Returns:
            Masked vectors as bytes, by client.
        """
        return {number: self._clients[number].masked() for number in clients}

    def set_method(self, method: Method, mechanism: Mechanism) -> None:
        """Sets the method of every client.

        Args:
            method: The method.
            mechanism: The privacy mechanism, fitted to the method.
        """
        for client in self._clients.values():
            client.set_method(method, mechanism)

    def save(self, folder: Path) -> dict[int, str]:
        """Has every client write its private state.

        Args:
            folder: Folder of the checkpoint.

        Returns:
            sha256 of each state, by client.
        """
        return {number: client.save(folder) for number, client in self._clients.items()}

    def restore(self, folder: Path, hashes: Mapping[int, str]) -> None:
        """Has clients read their private states.

        Args:
            folder: Folder of the checkpoint.
            hashes: sha256 that each state must have, by client.

        Raises:
            RunError: A state is damaged or another's.
        """
        for number, expected in hashes.items():
            self._clients[number].restore(folder, expected)

    def reset(self, clients: Sequence[int]) -> None:
        """Gives clients the initial private state of their method.

        Args:
            clients: Client numbers.
        """
        for number in clients:
            self._clients[number].reset()

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        """Restarts no client: a client of this process cannot be lost without the process.

        Args:
            method: The method.
            mechanism: The privacy mechanism.

        Returns:
            An empty set.
        """
        return set()

    def close(self) -> None:
        """Lets the clients go."""
        self._clients.clear()


def _at(client: int, stage: str, call: Callable[[Given], Result], given: Given) -> Result:
    """Returns what the call returns; an unforeseen error names client and stage, as it would from an actor."""
    try:
        return call(given)
    except FedsiloError:
        raise
    except Exception as error:
        text = f"client {client}, stage '{stage}': {type(error).__name__}: {error}."
        raise ClientError(text, client=client, stage=stage) from error


class SerialRuntime:
    """Runs jobs in this process, on the serial backend."""

    def __init__(self, device: str = "auto") -> None:
        """Takes the scenario's `backbone.device`."""
        self._device = device

    def devices(self) -> Devices:
        """Returns the one device for everything."""
        from fedsilo.models.clip.loading import choose_device

        device = choose_device(self._device)
        return Devices(device, device)

    def one_machine(self) -> bool:
        """Returns that everything is in this process."""
        return True

    def encode(self, encoder: ImageEncoder, images: Examples, missing: Sequence[Chunk]) -> Iterator[EncodedChunk]:
        """Encodes images that the cache lacks, part by part.

        Args:
            encoder: The image tower.
            images: The images.
            missing: Parts of them, with the views and columns that are missing.

        Returns:
            The features of each part.
        """
        from fedsilo.models.clip.features import encode_chunks

        return encode_chunks(encoder, images, missing)

    def run(self, job: Job, prepared: Prepared, rules: ClientRules, watch: MethodRoundCallback) -> dict[str, Outcome]:
        """Runs a job over clients in this process.

        Args:
            job: The federations of a run.
            prepared: What was made before round 0.
            rules: What the scenario says to every client.
            watch: Called with the part's name and the record of each finished round.

        Returns:
            Outcomes by part name.
        """
        portions = map(prepared.warehouse.portion, prepared.claims)
        backend = SerialBackend([Client(portion, prepared.model, rules) for portion in portions])
        try:
            return job.run(backend, watch)
        finally:
            backend.close()
