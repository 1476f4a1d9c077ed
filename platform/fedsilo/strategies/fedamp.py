"""FedAMP: each client keeps its own parameters and is drawn to a mixture of similar ones.

Source: Huang et al., "Personalized Cross-Silo Federated Learning on Non-IID Data", AAAI 2021, arXiv:2007.03797. The
server gives client i its own cloud model

    u_i = (1 - sum_j xi_ij) w_i + sum_j xi_ij w_j,    xi_ij = alpha A'(||w_i - w_j||^2),    A(x) = 1 - exp(-x / sigma),

and client i continues from its own w_i, with lambda/2 ||w - u_i||^2 added to its loss.

The server's step is one of gradient descent with step size alpha, and u_i is a mixture only while no row of xi sums to
more than 1. Where a row would exceed (n-1)/n for n participants, the step is shortened for all of them until the
largest row has that sum. So no client counts less in its own mixture than an average participant, and parameters that
cannot be distinguished are simply averaged.

Where prompt methods' released code and this differ: there the weights have the opposite sign in the exponent and the
client's term is taken from a detached copy, so that it has no gradient. A client that takes no part in a round keeps
its last cloud model, and others do not mix in its parameters; the paper has all clients in every round. Running
statistics stay with their client.

Dimensions: n participants, P numbers of all parameters together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import LocalTrainer, Terms
from fedsilo.core.round_work import ServerWork
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging


@dataclass(frozen=True)
class FedAMPStrategy(Averaging):
    """A mixture of similar clients' parameters for each client, computed by the server."""

    reads_updates = True
    averages = False
    needs_rounds = "clients send gradients, and the server compares parameters"

    alpha: float = key(1.0, "Step size of the server; shortened where a mixture would not be one.", within=">= 0")
    sigma: float = key(1.0, "Squared distance of parameters at which their weight has fallen to 1/e.", within="> 0")
    attraction: float = key(1.0, "Pull of a client to its cloud model, the paper's lambda.", within=">= 0")

    def kept(self, learner: Learner) -> tuple[str, ...]:
        """Names the parameters that the client keeps: all, those that it sends among them.

        Args:
            learner: The learner.

        Returns:
            All names.
        """
        return learner.names()

    def statistics(self, learner: Learner) -> tuple[str, ...]:
        """Names the statistics that travel: none, they stay with their client.

        Args:
            learner: The learner.

        Returns:
            ().
        """
        return ()

    def download(self, shared: State, client: int) -> State:
        """Selects the client's cloud model.

        Args:
            shared: The coordinator's state by name.
            client: The client's number, from 0.

        Returns:
            The cloud model by name; the initial parameters while the client has none.
        """
        names = [name for name in shared if "/" not in name]
        return {name: shared.get(_cloud(name, client), shared[name]) for name in names}

    def terms(self, local: LocalTrainer) -> Terms:
        """Builds the pull to the cloud model, lambda/2 ||w - u_i||^2.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            The pull as a penalty.
        """
        clouds, names = local.work.shared, self.shared(local.learner)

        def penalty(params: State) -> Tensor:
            distances = [(params[name] - clouds[name]).square().sum() for name in names]
            return self.attraction / 2 * sum(distances[1:], distances[0])

        return Terms(penalty=penalty)

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Computes a new cloud model for every participant, in fp64, rounded once.

        Args:
            work: The server's work: shared state, and mean of the uploads.
            learner: The learner.

        Returns:
            The shared state with the new cloud models.
        """
        clients = sorted(work.updates)
        updates = [work.updates[client] for client in clients]
        # In fp64, as all aggregation is, and rounded once.
        flat = torch.stack([torch.cat([update[n].double().flatten() for n in sorted(update)]) for update in updates])
        clouds = dict(zip(clients, self.compute_mixture(flat) @ flat, strict=True))
        return {**work.shared, **{n: t for c, row in clouds.items() for n, t in _unflatten(row, updates[0], c)}}

    def compute_mixture(self, models: Tensor) -> Tensor:
        """Computes the weights of the mixtures u_i.

        Args:
            models: (n, P) parameters of each participant.

        Returns:
            (n, n): row i has the weights of u_i, which are not negative and sum to 1.
        """
        count = len(models)
        distances = torch.cdist(models, models, compute_mode="donot_use_mm_for_euclid_dist").square()
        weights = self.alpha / self.sigma * torch.exp(-distances / self.sigma)
        weights.fill_diagonal_(0)
        largest, most = float(weights.sum(dim=1).max()), (count - 1) / count
        if largest > most:
            weights *= most / largest
        return weights + torch.diag(1 - weights.sum(dim=1))


def _unflatten(row: Tensor, like: State, client: int) -> list[tuple[str, Tensor]]:
    """Splits a client's cloud model into the named tensors of the shared state."""
    names = sorted(like)
    parts = torch.split(row, [like[name].numel() for name in names])
    return [
        (_cloud(name, client), part.to(like[name].dtype).view_as(like[name]).clone())
        for name, part in zip(names, parts, strict=True)
    ]


def _cloud(name: str, client: int) -> str:
    return f"cloud_{name}/{client}"
