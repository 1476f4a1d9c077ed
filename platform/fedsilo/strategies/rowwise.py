"""Row-wise averaging: only clients that own an attribute or an object vote on its row of a table.

A plain mean of n clients moves the row of an object that one of them has by 1 / n of what this client learned, and
mixes in what the others pushed it to without an image of it. Here

    E_r = E_r + sum_i p_i m_ir (E_ir - E_r) / sum_i p_i m_ir,

with p_i the client's share of the training examples and m_ir 1 where it has an image of r, else 0. A row that no
client of the round owns keeps its value; all other parameters are averaged as in FedAvg.

A client sends E_r + m_ir (E_ir - E_r), and m_i beside it, so that the server needs sums only: it works under secure
aggregation. The sum of the m_i says what share of the examples is with clients that have an attribute or object. A
mechanism would clip m_i together with the change and add the same noise to both, so mechanisms are refused.

Source: none for compositions; dividing the sum of weighted updates by the weight of those that took part is the first
estimator of McMahan et al., "Learning Differentially Private Recurrent Language Models", ICLR 2018, arXiv:1710.06963,
here for each row.

Dimensions: n rows of a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.batch import CLASS
from fedsilo.core.capabilities import WithRows
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Descent, LocalTrainer
from fedsilo.core.round_work import LocalWork, ServerWork
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging

OWNED = "owned."
"""Beginning of the names of ownership marks, in front of a parameter's name."""
SMALLEST_SHARE = 1e-6
"""Shares below it are rounding of a sum, not an owner."""


@dataclass(frozen=True)
class RowwiseStrategy(Averaging):
    """FedAvg, with a mean over owners for rows of attributes and objects."""

    averages = False
    counts_exactly = True
    needs_rounds = "clients send gradients, and rows are counted after a round's training"

    def refusals(self, learner: Learner) -> list[str]:
        """Lists reasons against the learner: it has no rows of attributes or objects that travel.

        Args:
            learner: The learner.

        Returns:
            Lines "key: why. What to do."; none where the learner fits.
        """
        found = super().refusals(learner)
        if not found and not self.select_rows(learner):
            found.append(
                "name: rowwise averages rows of attributes and objects over their owners, and no such rows of the "
                "learner travel. Use fedavg, or a learner such as csp."
            )
        return found

    def select_rows(self, learner: Learner) -> dict[str, tuple[str, ...]]:
        """Selects the parameters that are averaged row by row.

        Args:
            learner: The learner.

        Returns:
            The parts that each parameter has rows for, by its name.
        """
        rows = learner.rows if isinstance(learner, WithRows) else {}
        return {name: rows[name] for name in self.shared(learner) if name in rows}

    def extras(self, learner: Learner) -> tuple[str, ...]:
        """Names the ownership marks.

        Args:
            learner: The learner.

        Returns:
            One name for each parameter with rows.
        """
        return tuple(OWNED + name for name in self.select_rows(learner))

    def initial_shared(self, params: State, learner: Learner, seed: int) -> State:
        """Builds the coordinator's state before round 0.

        Args:
            params: All parameters by name.
            learner: The learner.
            seed: The scenario's seed.

        Returns:
            The parameters, and zeros for the ownership marks.
        """
        marks = {OWNED + name: torch.zeros(len(params[name])) for name in self.select_rows(learner)}
        return {**super().initial_shared(params, learner, seed), **marks}

    def download(self, shared: State, client: int) -> State:
        """Selects what one client receives: all but the marks.

        Args:
            shared: The coordinator's state by name.
            client: The client's number, from 0.

        Returns:
            Tensors by name.
        """
        received = super().download(shared, client)
        return {name: tensor for name, tensor in received.items() if not name.startswith(OWNED)}

    def upload(self, local: LocalTrainer, end: Descent) -> State:
        """Selects what is sent: of rows that the client does not own, what it received.

        Args:
            local: The client's training: its work, learner and buffers.
            end: The end of local training.

        Returns:
            Parameters, statistics and ownership marks by name.
        """
        sent, received = dict(super().upload(local, end)), local.work.shared
        for name, parts in self.select_rows(local.learner).items():
            owned = torch.cat([mark_owned(local.work, part) for part in parts])
            sent[name] = torch.where(owned.bool().unsqueeze(1), sent[name], received[name])
            sent[OWNED + name] = owned
        return sent

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Divides the mean change of each row by the share of its owners.

        Args:
            work: The server's work: shared state, and mean of the uploads.
            learner: The learner.

        Returns:
            The next shared state.
        """
        stepped = dict(super().server_step(work, learner))
        for name in self.select_rows(learner):
            before, share = work.shared[name].double(), work.mean[OWNED + name].double().unsqueeze(1)
            change = (work.mean[name].double() - before) / share.clamp(min=SMALLEST_SHARE)
            voted = share >= SMALLEST_SHARE
            stepped[name] = torch.where(voted, before + change, before).to(work.shared[name].dtype)
            stepped[OWNED + name] = torch.zeros_like(work.shared[OWNED + name])
        return stepped


def mark_owned(work: LocalWork, part: str) -> Tensor:
    """Marks the attributes, or objects, of a client's training images.

    Args:
        work: The client's work, with its labels.
        part: "attribute" or "object".

    Returns:
        (n,) float32 of 0 and 1.
    """
    candidates = work.model.candidates
    labels = work.task.targets(work.labels, candidates)[CLASS].cpu().numpy()
    owned = torch.zeros(len(candidates.words[part]))
    owned[torch.from_numpy(candidates.parts[part][labels])] = 1.0
    return owned.to(work.model.device)
