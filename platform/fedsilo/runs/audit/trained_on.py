"""Finds the training images that a run really trained on: those that were in a batch of some round.

These are not all images of a client: a smaller last batch is left out, and with few rounds or few participants an image
may never be in a batch. `core.work.LocalWork` itself repeats the batches, from the run's own records of participants
and exchanges, so this module follows the same rule of drawing batches.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedsilo.core import Frozen, Indices, Mechanism, Method
from fedsilo.core.errors import RunError
from fedsilo.core.round_work import LocalWork
from fedsilo.privacy.ledger_lines import LEDGER
from fedsilo.report.results.finished_run import Run
from fedsilo.simulation.noise_calibration import fit_mechanism
from fedsilo.simulation.schedule import Schedule
from fedsilo.storage.run_folder import ROUNDS, read_lines


def find_exposed(run: Run, model: Frozen) -> list[Indices]:
    """Finds the images that were in a batch.

    Args:
        run: A run with all its rounds.
        model: Any frozen model; only its device is used.

    Returns:
        For each client, positions of its images in the training split, ascending.

    Raises:
        RunError: The batches were drawn from the operating system's randomness, so they cannot be repeated.
    """
    scenario = run.scenario
    seen = [_Witness(np.zeros(len(client.train), dtype=bool)) for client in run.manifest.clients]
    schedule = Schedule(scenario.method, scenario.training, tuple(map(len, seen)), scenario.seed)
    mechanism = fit_mechanism(scenario.privacy, schedule)
    if mechanism.examples and mechanism.examples.poisson and not mechanism.seeded:
        raise RunError(
            f"{run.folder}: the operating system drew its batches (privacy.randomness: system), so it is unknown which "
            "images were in one. Audit a run with privacy.randomness=seed."
        )
    attempts = {(line["round"], line["exchange"]): line["attempt"] for line in read_lines(run.folder / LEDGER)}
    for record in read_lines(run.folder / ROUNDS):
        for client in record["participants"]:
            work = _work(run, model, mechanism, seen[client], client)
            work = replace(work, round=record["round"])
            if sends_batches(scenario.method):
                for exchange in range(record["exchanges"]):
                    attempt = attempts.get((record["round"], exchange), 0)
                    replace(work, attempt=attempt).batch(exchange)
            else:
                work = replace(work, attempt=attempts.get((record["round"], 0), 0))
                for epoch in range(scenario.training.local_epochs):
                    for _ in work.batches(epoch):
                        pass
    return [share.train[witness.seen] for share, witness in zip(run.manifest.shares(), seen, strict=True)]


def sends_batches(method: Method) -> bool:
    """Checks whether an exchange of a method is one batch, and not a round's local epochs.

    Args:
        method: The method.

    Returns:
        Whether an exchange is one batch.
    """
    return method.exchanges(2) == 2


@dataclass(frozen=True, slots=True)
class _Witness:
    """A feature source without features that records which rows are requested."""

    seen: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.seen)

    def batch(self, indices: Indices, view: int) -> dict[str, Tensor]:
        self.seen[indices] = True
        return {}

    def on(self, device: str) -> _Witness:
        return self

    def only(self, columns: Collection[str]) -> _Witness:
        return self


def _work(run: Run, model: Frozen, mechanism: Mechanism, witness: _Witness, client: int) -> LocalWork:
    return LocalWork(
        model=model,
        task=run.scenario.task,
        features=witness,
        labels=torch.zeros(len(witness), dtype=torch.int64),
        shared={},
        private={},
        training=run.scenario.training,
        mechanism=mechanism,
        seed=run.scenario.seed,
        client=client,
        round=0,
        exchange=0,
    )
