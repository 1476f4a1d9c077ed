"""pFedMoAP's strategy: the server keeps each client's last parameters and sends each client those of others.

Source: Luo, Chen, Wu, "Mixture of Experts Made Personalized: Federated Prompt Learning for Vision-Language Models",
ICLR 2025, arXiv:2410.10114. A client receives the mean of all that was sent, and as `experts` (E, ...) the last
parameters of the nearest (L2) other clients, or of random ones. The key `experts` counts the client's own.

As in the released code every round begins from the mean; `begin_from: own` continues from the client's own. A client
that trains for the first time has no experts, and neither has a client that is alone. Other clients see a client's
parameters themselves, not only in a mean.

Where the released code and this differ: there, participants are evaluated with the experts that they trained with;
here, all clients with those of the new shared state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.capabilities import Mixing
from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Descent, LocalTrainer
from fedsilo.core.round_work import ServerWork
from fedsilo.core.seeds import derive, torch_generator
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging

EXPERTS, OWN = "experts", "own_"
KEPT = "last_"
DRAW = "draw"
"""Seed and round of the random experts, (2,) int64, in the coordinator's state."""
NEAREST, RANDOM = "nearest", "random"
MEAN, OWN_LAST = "mean", "own"


@dataclass(frozen=True)
class ExpertsStrategy(Averaging):
    """FedAvg, with the last parameters of other clients sent along as experts."""

    reads_updates = True
    averages = False
    sends_experts = True
    needs_rounds = "clients send gradients, and experts are parameters after a round's training"

    experts: int = key(10, "Most contexts that the gate mixes, the client's own among them.", within=">= 1")
    selection: str = key(
        NEAREST, "Other clients whose contexts a client receives: the nearest by L2, or random ones.", NEAREST, RANDOM
    )
    begin_from: str = key(
        MEAN, "Context that a round's training begins from: the mean of all sent, or the client's own.", MEAN, OWN_LAST
    )

    def refusals(self, learner: Learner) -> list[str]:
        """Lists reasons against the learner; its experts are one tensor for each client.

        Args:
            learner: The learner.

        Returns:
            Lines "key: why. What to do."; none where the learner fits.
        """
        found = super().refusals(learner)
        if not found and not isinstance(learner, Mixing):
            found.append("name: experts are for a learner that mixes the contexts of others. Use the learner moap.")
        return found

    def initial_shared(self, params: State, learner: Learner, seed: int) -> State:
        """Builds the coordinator's state before round 0.

        Args:
            params: All parameters by name.
            learner: The learner.
            seed: The scenario's seed.

        Returns:
            The parameters, and the seed and round that random experts are drawn by.
        """
        draw = {DRAW: torch.tensor([derive(seed, "experts"), 0])} if self.selection == RANDOM else {}
        return {**super().initial_shared(params, learner, seed), **draw}

    def download(self, shared: State, client: int) -> State:
        """Selects what one client receives.

        Args:
            shared: The coordinator's state by name.
            client: The client's number, from 0.

        Returns:
            The mean of all parameters sent, and the `experts` (E, ...) of other clients. E is 0 for a client that never
            sent anything, and for the only one that did.
        """
        (name,) = (name for name in shared if "/" not in name and name != DRAW)
        mean, own_name = shared[name], _kept(name, client)
        own, every = shared.get(own_name), f"{KEPT}{name}/"
        others = [t for n, t in sorted(shared.items()) if n.startswith(every) and n != own_name]
        if own is None or not others:
            return {name: mean, EXPERTS: mean.new_zeros(0, *mean.shape)}
        stacked = torch.stack(others)
        return {name: mean, EXPERTS: stacked[self._order(shared, stacked, own, client)[: self.experts - 1]]}

    def together(self, received: State, private: State, learner: Learner) -> State:
        """Joins what the client received with its own state.

        Args:
            received: What the client received, by name.
            private: The client's private state by name.
            learner: The learner.

        Returns:
            Parameters and buffers by name; the client's own last parameters once it has trained.
        """
        everything = super().together(received, private, learner)
        return {name: private.get(OWN + name, tensor) for name, tensor in everything.items()}

    def start(self, local: LocalTrainer) -> State:
        """Selects the parameters that training begins with: the mean, or the client's own.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            All parameters by name.
        """
        start = super().start(local)
        if self.begin_from == OWN_LAST:
            return start
        return {**start, **{name: local.work.shared[name] for name in self.shared(local.learner)}}

    def private(self, local: LocalTrainer, end: Descent) -> State:
        """Selects what the client keeps: what it sent, and its own parameters.

        Its own parameters are the trained ones if there were experts. Without experts the gate has no gradient, and
        weight decay alone must not change it.

        Args:
            local: The client's training: its work, learner and buffers.
            end: The end of local training.

        Returns:
            The new private state by name.
        """
        sent = {OWN + name: end.params[name] for name in self.shared(local.learner)}
        kept = super().private(local, end)
        if not len(local.work.shared.get(EXPERTS, ())):
            kept = {**kept, **{name: local.work.private[name] for name in self.kept(local.learner)}}
        return {**kept, **sent}

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Averages the uploads and stores the last parameters of each client.

        Args:
            work: The server's work: shared state, and mean of the uploads.
            learner: The learner.

        Returns:
            The mean, and beside it the last parameters of every client that ever sent any.
        """
        kept = {_kept(n, c): tensor for c, update in work.updates.items() for n, tensor in update.items()}
        shared = {**super().server_step(work, learner), **kept}
        if self.selection == RANDOM:
            shared[DRAW] = torch.tensor([int(work.shared[DRAW][0]), work.round + 1])
        return shared

    def _order(self, shared: State, others: Tensor, own: Tensor, client: int) -> Tensor:
        """Orders the others by nearness, or at random: another order for every round and client."""
        if self.selection == RANDOM:
            seed, round = shared[DRAW].tolist()
            return torch.randperm(len(others), generator=torch_generator(seed, "experts", round=round, client=client))
        distances = (others.double() - own.double()).flatten(1).norm(dim=1)
        return torch.argsort(distances, stable=True)


def _kept(name: str, client: int) -> str:
    """Returns the name under which the shared state has a client's last parameters."""
    return f"{KEPT}{name}/{client:04d}"
