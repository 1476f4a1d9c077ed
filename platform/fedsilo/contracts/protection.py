"""Privacy mechanisms, and how updates are added up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fedsilo.contracts.data import Component
from fedsilo.contracts.learning import State
from fedsilo.contracts.messages import ClientUpdate


@dataclass(frozen=True, slots=True)
class Facts:
    """What a mechanism must know of a run before it can say how much noise it takes.

    Attributes:
        rounds: Federated rounds.
        clients: Clients in the federation that train.
        batch_size: Largest batch that any client steps on.
        personal: Whether clients also learn parameters of their own, which never leave them.
        gradients: Whether clients send the gradient of one batch in each exchange.
        streams: Gradients that one batch is turned into, own parameters' included.
        passes: Batches of one round that one example can be in: local epochs, more where short clients begin anew.
    """

    rounds: int
    clients: int
    batch_size: int
    personal: bool
    gradients: bool
    streams: int = 1
    passes: int = 1


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run has spent.

    Attributes:
        epsilon: The epsilon.
        delta: The delta it is stated at.
        guaranteed: False for a published calibration whose proof does not hold: the epsilon is then nominal.
        unit: Whose presence is hidden: "client" or "example".
        note: What a reader must know, one line; "" when nothing.
    """

    epsilon: float
    delta: float
    guaranteed: bool
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """One thing that is about to leave its place.

    Attributes:
        reference: What the receiver knows already and an upload is a change of; zeros for a gradient.
        participants: Clients in the mean; 1 for a client's own upload.
        generator: The only source of noise.
    """

    reference: State
    participants: int
    generator: torch.Generator


class Mechanism(Component, ABC):
    """A privacy mechanism: hooks on what a client learns, on what it uploads, and on the aggregate."""

    kind = "mechanism"

    uniform: ClassVar[bool] = False
    """Whether clients must count equally (sensitivity is not bounded otherwise)."""
    per_batch: ClassVar[bool] = False
    """Whether it is stated for one gradient per exchange only."""

    def fit(self, facts: Facts) -> Mechanism:
        """Returns the mechanism with its noise fixed for a run; before that no hook is called."""
        return self

    def protect_private(self, gradients: State, release: Release) -> State:
        """Returns gradients of a client's own parameters as its step may use them: by default as they are."""
        return gradients

    @abstractmethod
    def protect_client(self, upload: State, release: Release) -> State:
        """Returns the upload as it may leave the client."""

    @abstractmethod
    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the aggregate as it may be published."""

    @abstractmethod
    def spent(self, releases: int) -> Budget | None:
        """Returns the budget after so many published aggregates; None where nothing is promised."""


class Aggregation(Component, ABC):
    """How the coordinator adds updates up.

    Attributes:
        shows_updates: Whether the coordinator sees each client's update in the clear.
    """

    kind = "aggregation"
    shows_updates: ClassVar[bool] = True

    @abstractmethod
    def combine(self, updates: Sequence[ClientUpdate], uniform: bool) -> dict[str, Tensor]:
        """Returns the mean upload over the clients, in client order, by examples or all alike when `uniform`."""
