"""SCAFFOLD: control variates correct each client's gradients for the difference between its data and the others'.

Source: Karimireddy et al., "SCAFFOLD: Stochastic Controlled Averaging for Federated Learning", ICML 2020,
arXiv:1910.06378, algorithm 1 with option II. Client i steps along g + c - c_i from x to y_i, then

    c_i+ = c_i - c + (x - y_i) / (K eta),    x = x + eta_g mean(y_i - x),    c = c + |S| / N mean(c_i+ - c_i),

S the participants of N clients, who count alike. A control variate is uploaded as c + c_i+ - c_i, so that its change,
like every upload's, is against what the client received. All control variates are kept and sent times the scenario's
learning rate: as the step that they are worth, they have the size of a parameter's change, and neither the bound of a
secure sum nor the joint clip of a mechanism is made for gradients.

Where the paper and this differ: with momentum or a schedule, K eta is the sum of what each gradient moved the
parameters by, so that a constant gradient is its own control variate. Weight decay counts as part of the gradient.
Where a round's learning rate is 0, or too small for single precision, control variates stay as they are. Running
statistics are averaged as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedsilo.core.config_fields import key
from fedsilo.core.finiteness import SMALLEST
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Descent, LocalTrainer, Terms
from fedsilo.core.round_work import ServerWork
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging

CONTROL, OWN = "control/", "own_control/"


@dataclass(frozen=True)
class ScaffoldStrategy(Averaging):
    """FedAvg with control variates."""

    averages = False
    needs_sgd = True
    needs_rounds = "there is one local step, and control variates correct several"

    server_rate: float = key(1.0, "Step size eta_g of the server.", within="> 0")

    @property
    def uniform(self) -> bool:
        """Returns True: all clients have the same weight."""
        return True

    def extras(self, learner: Learner) -> tuple[str, ...]:
        """Names what is uploaded beside the parameters: the control variates.

        Args:
            learner: The learner.

        Returns:
            One name for each shared parameter.
        """
        return tuple(CONTROL + name for name in self.shared(learner))

    def initial_shared(self, params: State, learner: Learner, seed: int) -> State:
        """Builds the coordinator's state before round 0.

        Args:
            params: All parameters by name.
            learner: The learner.
            seed: The scenario's seed.

        Returns:
            The parameters, and control variates c of zero.
        """
        controls = {CONTROL + name: torch.zeros_like(params[name]) for name in self.shared(learner)}
        return {**super().initial_shared(params, learner, seed), **controls}

    def initial_private(self, params: State, learner: Learner) -> State:
        """Builds a client's own state before round 0.

        Args:
            params: All parameters by name.
            learner: The learner.

        Returns:
            The client's own parameters, and control variates c_i of zero.
        """
        controls = {OWN + name: torch.zeros_like(params[name]) for name in self.shared(learner)}
        return {**super().initial_private(params, learner), **controls}

    def terms(self, local: LocalTrainer) -> Terms:
        """Builds the correction of gradients, g + c - c_i.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            The correction.
        """
        received, private, names = local.work.shared, local.work.private, self.shared(local.learner)
        rate = local.work.training.optimizer.learning_rate

        def correct(gradients: State) -> State:
            corrected = {n: gradients[n] + (received[CONTROL + n] - private[OWN + n]) / rate for n in names}
            return {**gradients, **corrected}

        return Terms(correction=correct)

    def upload(self, local: LocalTrainer, end: Descent) -> State:
        """Selects what is sent: parameters and control variates.

        Args:
            local: The client's training: its work, learner and buffers.
            end: The end of local training.

        Returns:
            y_i by name, and c + c_i+ - c_i for each.
        """
        received, private = local.work.shared, local.work.private
        own = self._own(local, end)
        moved = {
            CONTROL + n: received[CONTROL + n] + own[OWN + n] - private[OWN + n] for n in self.shared(local.learner)
        }
        return {**super().upload(local, end), **moved}

    def private(self, local: LocalTrainer, end: Descent) -> State:
        """Selects what the client keeps, with its new control variates c_i+.

        Args:
            local: The client's training: its work, learner and buffers.
            end: The end of local training.

        Returns:
            The new private state by name.
        """
        return {**super().private(local, end), **self._own(local, end)}

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Steps the parameters by eta_g, and the control variates by the participants' share |S| / N.

        Args:
            work: The server's work: shared state, and mean of the uploads.
            learner: The learner.

        Returns:
            The shared state after the step.
        """
        trained = sum(size > 0 for size in work.sizes)
        factors = dict.fromkeys(self.shared(learner), self.server_rate)
        factors |= dict.fromkeys(self.extras(learner), work.participants / trained)
        stepped = {
            n: (work.shared[n].double() + f * (work.mean[n].double() - work.shared[n].double())).to(
                work.shared[n].dtype
            )
            for n, f in factors.items()
        }
        return {**work.shared, **work.mean, **stepped}

    def _own(self, local: LocalTrainer, end: Descent) -> State:
        """Returns c_i+; c_i itself where the client's steps were too short to measure a gradient."""
        received, private, factors = local.work.shared, local.work.private, local.learner.rate_factors
        own = {OWN + n: private[OWN + n] for n in self.shared(local.learner)}
        steps = end.travel / local.work.training.optimizer.learning_rate
        weights = {n: steps * factors.get(n, 1.0) for n in self.shared(local.learner)}
        moved = {
            OWN + n: private[OWN + n] - received[CONTROL + n] + (received[n] - end.params[n]) / weight
            for n, weight in weights.items()
            if weight >= SMALLEST
        }
        return {**own, **moved}
