"""FedNova: clients send their change per step, so that those with more local steps do not pull the mean to themselves.

Source: Wang et al., "Tackling the Objective Inconsistency Problem in Heterogeneous Federated Optimization", NeurIPS
2020, arXiv:2007.07481. With a_i the sum of what each gradient is weighted by in client i's change (the number of steps
for plain SGD; section 4.2 for momentum) and p_i its share of the training examples,

    w = w + tau_eff sum_i p_i (w_i - w) / a_i,    tau_eff = sum_i p_i a_i.

A client sends w + (w_i - w) / a_i, and beside it t_i = (1 - momentum) lr a_i, at most the sum of the round's learning
rates: so the server needs sums only, and t_i stays within the bound of a secure sum where a_i would not. Where all a_i
are equal it is FedAvg. With a schedule, weights are learning rates over the scenario's rate lr; a client whose rates
are 0, or too small for single precision, sends w and 0. Running statistics are averaged as they are.

A mechanism would clip t_i together with the change and add the same noise to both, and tau_eff would be wrong by orders
of magnitude; so mechanisms are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedsilo.core.finiteness import SMALLEST
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Descent, LocalTrainer
from fedsilo.core.round_work import ServerWork
from fedsilo.core.training_settings import Optimizer
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging

RATES = "step_rates"
"""The name of t_i."""


@dataclass(frozen=True)
class FedNovaStrategy(Averaging):
    """FedAvg of normalised changes."""

    averages = False
    needs_sgd = True
    counts_exactly = True
    needs_rounds = "all clients make one step"

    def extras(self, learner: Learner) -> tuple[str, ...]:
        """Returns the name of t_i."""
        return (RATES,)

    def initial_shared(self, params: State, learner: Learner, seed: int) -> State:
        """Returns the parameters, and 0 for t_i."""
        return {**super().initial_shared(params, learner, seed), RATES: torch.zeros(1)}

    def upload(self, local: LocalTrainer, end: Descent) -> State:
        """Returns the parameters moved by the change per step, and t_i."""
        optimizer, received = local.work.training.optimizer, local.work.shared
        steps = end.travel / optimizer.learning_rate
        steps = steps if steps >= SMALLEST else 0.0  # below it, after many rounds of a schedule, nothing moves
        moved = {n: received[n] + (end.params[n] - received[n]) / (steps or 1.0) for n in self.shared(local.learner)}
        rates = torch.full_like(received[RATES], steps * _rate_of_a_step(optimizer))
        return {**super().upload(local, end), **moved, RATES: rates}

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Returns the parameters after tau_eff times the mean change per step."""
        effective = float(work.mean[RATES]) / _rate_of_a_step(work.training.optimizer)
        stepped = {
            n: (work.shared[n].double() + effective * (work.mean[n].double() - work.shared[n].double())).to(
                work.shared[n].dtype
            )
            for n in self.shared(learner)
        }
        return {**work.shared, **work.mean, **stepped, RATES: torch.zeros_like(work.shared[RATES])}


def _rate_of_a_step(optimizer: Optimizer) -> float:
    """t_i over a_i."""
    return (1 - optimizer.momentum) * optimizer.learning_rate
