"""What the parts of fedsilo promise each other.

A component (data set, partition, method, mechanism, aggregation) is a frozen dataclass in a file of its own; its
fields are its scenario keys, their `help` metadata is what `fedsilo describe` prints. The registry finds it by the
file's name, so adding one touches no other file.

State is named tensors: *shared* (the coordinator's), *private* (a client's own, never uploaded), and the *upload*.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:
    from fedsilo.prompts.frozen import FrozenModel
    from fedsilo.training import LocalWork

Indices = NDArray[np.int64]
State = Mapping[str, Tensor]

Predictor = Callable[[Tensor, Tensor | None], Tensor]
"""Pooled features (b, D) and patch tokens (b, M, D) or None -> (b, K) scores over all classes of the data set."""


class Component:
    """Anything a scenario names: its dataclass fields are the keys of its section."""

    kind: ClassVar[str]

    def problems(self) -> list[str]:
        """What is impossible in the fields, as 'key: what is wrong. What is allowed.' lines; empty when sound."""
        return []


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled images of one split, fetched one at a time.

    Attributes:
        labels: (n,) class of each image, in [0, classes).
        domains: (n,) domain of each image, in [0, domains).
        fetch: Returns image i as RGB; the same pixels at every call and in every process (it is pickled).
        digests: (n,) one short hex digest per image: of its bytes, or of all that determines them. The key of the
            feature cache and of the data fingerprint.
    """

    labels: Indices
    domains: Indices
    fetch: Callable[[int], Image.Image]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """A data set ready for partitioning.

    Attributes:
        classes: Class names in label order, as they are written into a prompt.
        domains: Domain names in domain order; one name when there are none.
        template: Hand-written prompt of the zero-shot row, with `{}` for the class.
        train: Examples to learn from.
        test: Examples to be measured on.
        notices: What the user should know about the data (skipped files and the like), one line each.
    """

    classes: tuple[str, ...]
    domains: tuple[str, ...]
    template: str
    train: Examples
    test: Examples
    notices: tuple[str, ...] = ()


class Dataset(Component, ABC):
    """A source of labelled images."""

    kind = "dataset"

    @abstractmethod
    def load(self, seed: int) -> LabelledImages:
        """Returns the data; `seed` decides whatever is drawn (splits, images). Raises DataError."""


@dataclass(frozen=True, slots=True)
class Share:
    """One client's part of the data.

    Attributes:
        train: (n,) positions in the training split, ascending.
        test: (m,) positions in the test split, ascending.
        domain: Name of the domain that all its images come from, or "" when they are mixed.
    """

    train: Indices
    test: Indices
    domain: str = ""


class Partition(Component, ABC):
    """A rule that hands the examples out to clients."""

    kind = "partition"

    @abstractmethod
    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client, in client order; the same map for train and test. Raises DataError."""


class FeatureSource(Protocol):
    """Image features of one client's examples, cached or encoded on demand."""

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def batch(self, indices: Indices, view: int) -> tuple[Tensor, Tensor | None]:
        """Returns pooled features (b, D) and patch tokens (b, M, D) or None, float32, not normalised."""
        ...


class Method(Component, ABC):
    """A federated learning method: what is shared, what is private, how a client trains, how the server steps.

    Attributes:
        uploads: Names of the tensors a client sends up; nothing else may leave it.
        needs_tokens: Whether it reads patch tokens and not only the pooled image feature.
        trains: False for a method that has nothing to learn.
    """

    kind = "method"
    uploads: ClassVar[tuple[str, ...]] = ()
    needs_tokens: ClassVar[bool] = False
    trains: ClassVar[bool] = True

    @abstractmethod
    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns the coordinator's state before round 0; empty when nothing is shared."""

    @abstractmethod
    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns one client's own state before round 0; empty when nothing is private."""

    def exchanges(self, batches: int) -> int:
        """Returns exchanges in a round whose longest client has so many batches: 1 (FedAvg kind) by default."""
        return 1

    @abstractmethod
    def train(self, work: LocalWork) -> LocalResult:
        """Returns what one client learns in one exchange. Pure: the work is not changed."""

    def server_step(self, shared: State, mean: State) -> State:
        """Returns the next shared state from the aggregated upload; FedAvg takes the mean as it is."""
        return {**shared, **mean}

    @abstractmethod
    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns a function from image features to class scores; class features are computed once, here."""


@dataclass(frozen=True, slots=True)
class LocalResult:
    """What local training gives back inside a client; only `upload` leaves it.

    Attributes:
        upload: Tensors for the coordinator, named as in `Method.uploads`.
        private: The client's own state after training.
        loss: Mean training loss over the steps, nan when there were none.
        steps: Optimiser steps made.
    """

    upload: State
    private: State
    loss: float
    steps: int


@dataclass(frozen=True, slots=True)
class ClientTask:
    """What the coordinator sends one client for one exchange.

    Attributes:
        round: Round number, from 0.
        exchange: Exchange within the round, from 0.
        shared: The shared state, as read-only arrays.
    """

    round: int
    exchange: int
    shared: dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ClientUpdate:
    """What one client sends back for one exchange.

    Attributes:
        client: The client's number.
        tensors: The upload, as arrays.
        weight: Number of training examples, the weight in FedAvg.
        loss: Mean training loss of the exchange.
        seconds: Time spent in training.
    """

    client: int
    tensors: dict[str, NDArray[np.float32]]
    weight: int
    loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ClientScore:
    """How one client's model does on test images.

    Attributes:
        client: The client's number.
        correct: Correctly classified images of its own test share.
        examples: Size of its own test share.
        elsewhere_correct: Correctly classified test images of all other clients; -1 when not measured.
        elsewhere_examples: Number of those images.
        loss: Mean cross-entropy on its own test share.
    """

    client: int
    correct: int
    examples: int
    elsewhere_correct: int = -1
    elsewhere_examples: int = 0
    loss: float = float("nan")


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One line of rounds.jsonl.

    Attributes:
        round: Round number, from 0.
        participants: Client numbers that trained, ascending.
        loss: Mean training loss, weighted by examples.
        local_accuracy: Unweighted mean over clients of the accuracy on their own test share; None when not evaluated.
        worst_accuracy: The lowest of these.
        accuracy: Accuracy over all test images, each judged by its own client's model.
        neighbour_accuracy: Mean over clients of the accuracy on all other clients' test images.
        upload_bytes: Bytes that left clients.
        download_bytes: Bytes that went to clients.
        exchanges: Exchanges in the round, each of which published one aggregate.
        shared_sha256: Hash of the shared state after the round.
        seconds: Wall time by stage.
    """

    round: int
    participants: tuple[int, ...]
    loss: float
    local_accuracy: float | None = None
    worst_accuracy: float | None = None
    accuracy: float | None = None
    neighbour_accuracy: float | None = None
    upload_bytes: int = 0
    download_bytes: int = 0
    exchanges: int = 0
    shared_sha256: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


class Mechanism(Component, ABC):
    """A privacy mechanism: one hook on each client's update, one on the aggregate."""

    kind = "mechanism"

    @abstractmethod
    def protect_client(self, shared: State, upload: State) -> State:
        """Returns the upload as it may leave the client (clipped against what the client received)."""

    @abstractmethod
    def protect_mean(self, shared: State, mean: State, participants: int, generator: torch.Generator) -> State:
        """Returns the aggregate as it may be published; noise comes from the given generator only."""

    @abstractmethod
    def spent(self, releases: int) -> tuple[float, float] | None:
        """Returns (epsilon, delta) after so many published aggregates; None where nothing is promised."""

    uniform: ClassVar[bool] = False
    """Whether clients must count equally (sensitivity is not bounded otherwise)."""


class Aggregation(Component, ABC):
    """How the coordinator adds updates up."""

    kind = "aggregation"

    @abstractmethod
    def combine(self, updates: Sequence[ClientUpdate], uniform: bool) -> dict[str, Tensor]:
        """Returns the mean upload over the clients, in client order, by examples or all alike when `uniform`."""


class Backend(Protocol):
    """Where clients live: in this process or in Ray actors. All answers come in client order."""

    def train(self, clients: Sequence[int], task: ClientTask) -> list[ClientUpdate]:
        """Returns the updates of these clients for one exchange."""
        ...

    def evaluate(self, clients: Sequence[int], shared: Mapping[str, NDArray[np.float32]]) -> list[ClientScore]:
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

    def revive(self, method: Method, folder: Path | None, hashes: Mapping[int, str]) -> None:
        """Brings lost clients back: each takes up the method and its private state from the folder, if any."""
        ...

    def close(self) -> None:
        """Ends the clients and gives back what they held."""
        ...


Progress = Callable[[str, int, int], None]
"""progress(stage, done, total): told as work goes on."""
