"""MOON: local training draws a client's representations to the shared model's and away from its own last model's.

Source: Li, He, Song, "Model-Contrastive Federated Learning", CVPR 2021, arXiv:2103.16257. With z, z_glob and z_prev the
representations of an image by the parameters in training, as received and as the client last left them,

    loss = task loss - mu log( e^(sim(z, z_glob)/tau) / (e^(sim(z, z_glob)/tau) + e^(sim(z, z_prev)/tau)) ),

sim the cosine, the mean over the batch. In its first round a client has no last parameters, and the term is left out.
Dropout and BatchNorm are in evaluation mode in all three representations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from fedsilo.core.batch import Batch
from fedsilo.core.capabilities import Representing
from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Descent, LocalTrainer, Terms
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging

LAST = "last_"


@dataclass(frozen=True)
class MoonStrategy(Averaging):
    """FedAvg with a contrast between models in local training."""

    separable = False
    needs_rounds = "a client has no model of its own to compare with"

    mu: float = key(1.0, "Weight of the contrast; the paper has 1, 5 or 10.", within=">= 0")
    temperature: float = key(0.5, "Temperature tau of the contrast.", within="> 0")

    def refusals(self, learner: Learner) -> list[str]:
        """Lists reasons against the learner: it has no representation that training changes.

        Args:
            learner: The learner.

        Returns:
            Lines "key: why. What to do."; none where the learner fits.
        """
        found = super().refusals(learner)
        if not found and not isinstance(learner, Representing):
            found.append(
                "name: moon compares image representations, and training does not change those of this learner. Use "
                "fedprox."
            )
        return found

    def terms(self, local: LocalTrainer) -> Terms:
        """Builds the contrast, from a client's second round on.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            The contrast; nothing in the client's first round.
        """
        learner, work = local.learner, local.work
        start = self.start(local)
        if LAST + next(iter(start)) not in work.private:
            return Terms()
        assert isinstance(learner, Representing)
        last = {name: work.private[LAST + name] for name in start}
        received_buffers = dict(local.buffers)

        def contrast(params: State, batch: Batch) -> Tensor:
            read = (batch.inputs, work.model)
            with torch.no_grad():
                shared, before = (learner.representation(at, received_buffers, *read) for at in (start, last))
            own = learner.representation(params, received_buffers, *read)
            pairs = torch.stack([cosine_similarity(own, shared), cosine_similarity(own, before)], dim=1)
            return self.mu * cross_entropy(
                pairs / self.temperature, torch.zeros(len(own), dtype=torch.long, device=own.device)
            )

        return Terms(contrast=contrast)

    def private(self, local: LocalTrainer, end: Descent) -> State:
        """Selects what the client keeps, its parameters after training among it.

        Args:
            local: The client's training: its work, learner and buffers.
            end: The end of local training.

        Returns:
            The new private state by name.
        """
        return {**super().private(local, end), **{LAST + name: tensor for name, tensor in end.params.items()}}
