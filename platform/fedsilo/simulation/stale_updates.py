"""Shared states that updates still to come began from, and how such updates are added to a newer one.

FedBuff adds changes, each against the shared state that its client began from, weighted by how old that is:

    w_(r+1) = w_r + eta * sum_i a_i s_i (x_i - w_(r_i)),    s_i = (1 + r - r_i) ** -exponent,

x_i the update, a_i its weight in the mean (its share of the training examples, or 1/K), eta the server's step size. It
is computed as a mean of settled updates w_r + s_i (x_i - w_(r_i)), so that a mechanism protects it as any mean. With
fresh updates and eta 1 it is FedAvg.

Source: Nguyen et al., "Federated Learning with Buffered Asynchronous Aggregation", AISTATS 2022, arXiv:2106.06639,
algorithm 1 and the staleness scaling of its section on experiments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from torch import Tensor

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import Arrays, ClientUpdate, Method, State
from fedsilo.core.state import to_arrays


class StaleStates:
    """The shared states of a federation, by the round that begins with them."""

    def __init__(self, method: Method, stragglers: StragglerPolicy, initial: State) -> None:
        """Begins with the shared state before round 0."""
        self._method, self._stragglers, self._initial = method, stragglers, initial
        self._held: dict[int, State] = {}

    def __getitem__(self, round: int) -> State:
        return self._held[round]

    def hold(self, round: int, shared: State, earlier: Mapping[int, State]) -> None:
        """Holds the state that a round begins with, and the earlier states of the checkpoint before it.

        Args:
            round: The round.
            shared: The shared state that it begins with.
            earlier: Older shared states by the round that began with them.
        """
        self._held = {0: self._initial, **earlier, round: shared}

    def of(self, rounds: Collection[int]) -> dict[int, State]:
        """Picks held states.

        Args:
            rounds: Rounds whose first states are wanted.

        Returns:
            States by round.
        """
        return {round: self._held[round] for round in sorted(rounds)}

    def staleness_weighting(
        self, round: int, origins: Mapping[int, int]
    ) -> Callable[[ClientUpdate], ClientUpdate] | None:
        """Builds the function that weights updates by their staleness before they are summed.

        Args:
            round: The round.
            origins: The round whose shared state each participant's update began from.

        Returns:
            A function from update to weighted update; None where all updates are summed unchanged.
        """
        if not self._stragglers.buffered or not self._method.uploads:
            return None
        return partial(self._settled, round, origins)

    def _settled(self, round: int, origins: Mapping[int, int], update: ClientUpdate) -> ClientUpdate:
        """The update as a change of the round's shared state, by its weight; in fp64, rounded when it is added up."""
        begun = origins[update.client]
        now, then = self._uploaded(round), self._uploaded(begun)
        weight = self._stragglers.staleness_weight(round - begun)
        settled = {
            name: now[name].astype(np.float64) + weight * (array.astype(np.float64) - then[name])
            for name, array in update.tensors.items()
        }
        return replace(update, tensors=settled)  # type: ignore[arg-type]

    def _uploaded(self, round: int) -> Arrays:
        return to_arrays({name: self._held[round][name] for name in self._method.uploads})

    def stepped(self, shared: State, mean: dict[str, Tensor]) -> dict[str, Tensor]:
        """Applies the server's step size to a mean upload.

        Args:
            shared: The shared state before the step.
            mean: The mean upload.

        Returns:
            shared + server_rate * (mean - shared); the mean itself with rate 1.
        """
        rate = self._stragglers.server_rate
        if rate == 1:
            return mean
        return {
            name: (shared[name].double() + rate * (value.double() - shared[name].double())).to(value.dtype)
            for name, value in mean.items()
        }
