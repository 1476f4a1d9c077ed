"""SCAFFOLD: control variates correct each client's gradients for how unlike the others its data are.

Source: Karimireddy et al., "SCAFFOLD: Stochastic Controlled Averaging for Federated Learning", ICML 2020,
arXiv:1910.06378, algorithm 1 with option II. Client i steps along g + c - c_i from x to y_i, then

    c_i+ = c_i - c + (x - y_i) / (K eta),    x = x + eta_g mean(y_i - x),    c = c + |S| / N mean(c_i+ - c_i),

S the participants of N clients, who count alike. A control variate is uploaded as c + c_i+ - c_i, so that its change,
like every upload's, is against what the client received.

Where the paper and this differ: with momentum or a schedule, K eta is the sum of what each gradient moved the
parameters by, so that a constant gradient is its own control variate. Weight decay counts as part of the gradient.
Where a round's learning rate is 0, or too small for
single precision, control variates stay as they are. Running statistics are averaged as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedsilo.core.config_fields import key
from fedsilo.core.finiteness import SMALLEST
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Descent, LocalTrainer, Terms
from fedsilo.core.types import State
from fedsilo.core.work import ServerWork
from fedsilo.training.averaging import BATCH, Averaging

CONTROL, OWN = "control/", "own_control/"


@dataclass(frozen=True)
class ScaffoldStrategy(Averaging):
    """FedAvg with control variates."""

    averages = False
    needs_sgd = True

    server_rate: float = key(1.0, "Step size eta_g of the server.", within="> 0")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        single = (
            "synchronise: control variates correct several local steps; with 'batch' there is one. Use 'round', or the "
            "strategy fedavg."
        )
        return super().problems() + ([single] if self.synchronise == BATCH else [])

    @property
    def uniform(self) -> bool:
        """Returns True: clients count alike."""
        return True

    def extras(self, learner: Learner) -> tuple[str, ...]:
        """Returns the names of the control variates."""
        return tuple(CONTROL + name for name in self.shared(learner))

    def initial_shared(self, params: State, learner: Learner, seed: int) -> State:
        """Returns the parameters, and control variates of zero."""
        controls = {CONTROL + name: torch.zeros_like(params[name]) for name in self.shared(learner)}
        return {**super().initial_shared(params, learner, seed), **controls}

    def initial_private(self, params: State, learner: Learner) -> State:
        """Returns the client's own part, and its control variates of zero."""
        controls = {OWN + name: torch.zeros_like(params[name]) for name in self.shared(learner)}
        return {**super().initial_private(params, learner), **controls}

    def terms(self, local: LocalTrainer) -> Terms:
        """Returns the correction of gradients."""
        received, private, names = local.work.shared, local.work.private, self.shared(local.learner)

        def correct(gradients: State) -> State:
            corrected = {n: gradients[n] + received[CONTROL + n] - private[OWN + n] for n in names}
            return {**gradients, **corrected}

        return Terms(correction=correct)

    def upload(self, local: LocalTrainer, end: Descent) -> State:
        """Returns the parameters, and each control variate moved by the change of the client's own."""
        received, private = local.work.shared, local.work.private
        own = self._own(local, end)
        moved = {
            CONTROL + n: received[CONTROL + n] + own[OWN + n] - private[OWN + n] for n in self.shared(local.learner)
        }
        return {**super().upload(local, end), **moved}

    def private(self, local: LocalTrainer, end: Descent) -> State:
        """Returns what the client keeps, with its new control variates."""
        return {**super().private(local, end), **self._own(local, end)}

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Returns the parameters after the server's step, and the control variates after the participants' share."""
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
        """The client's own control variates; as they were where its steps were too short to tell a gradient by."""
        received, private, factors = local.work.shared, local.work.private, local.learner.rate_factors
        own = {OWN + n: private[OWN + n] for n in self.shared(local.learner)}
        lengths = {n: end.travel * factors.get(n, 1.0) for n in self.shared(local.learner)}
        told = {
            OWN + n: private[OWN + n] - received[CONTROL + n] + (received[n] - end.params[n]) / length
            for n, length in lengths.items()
            if length >= SMALLEST
        }
        return {**own, **told}
