"""The method of a shadow run of the attack on clients: the audited run's, with some clients that contribute nothing.

Such a client takes part as always: it is asked, weighs what it weighs, clips and adds its noise. Only its change is
zero, whatever its data are. These are the neighbours that `adjacency: zero_out` compares: one unit's contribution is
replaced by nothing, all sizes stay public.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from fedsilo.core import LocalResult, Method
from fedsilo.core.config_fields import key
from fedsilo.core.work import LocalWork
from fedsilo.report.results.finished_run import load


@lru_cache(maxsize=8)
def _method_of(run: str) -> Method:
    return load(run).scenario.method


def _theirs(name: str) -> Any:
    """An attribute of the audited run's method."""
    return property(lambda self: getattr(_method_of(self.run), name))


@dataclass(frozen=True)
class Absence(Method):
    """The method of a run; the clients that are listed learn nothing and send no change."""

    run: str = key("", "The audited run's folder.")
    absent: list[int] = key(list, "Clients that contribute nothing.")

    uploads = _theirs("uploads")
    parts = _theirs("parts")
    reads = _theirs("reads")
    needs_image_blocks = _theirs("needs_image_blocks")
    entangled = _theirs("entangled")
    trains = _theirs("trains")
    reads_updates = _theirs("reads_updates")
    separable = _theirs("separable")
    headline_rounds = _theirs("headline_rounds")
    uploads_gradients = _theirs("uploads_gradients")
    uniform = _theirs("uniform")
    personal = _theirs("personal")
    reads_names = _theirs("reads_names")
    streams = _theirs("streams")
    allows_stale = _theirs("allows_stale")
    phrases = _theirs("phrases")
    initial_shared = _theirs("initial_shared")
    initial_private = _theirs("initial_private")
    exchanges = _theirs("exchanges")
    download = _theirs("download")
    server_step = _theirs("server_step")
    adapt = _theirs("adapt")
    private_for_new_classes = _theirs("private_for_new_classes")
    predictor = _theirs("predictor")

    def train(self, work: LocalWork) -> LocalResult:
        """Returns what the method learns; of an absent client what it received, and its private state as it was."""
        method = _method_of(self.run)
        if work.client not in self.absent:
            return method.train(work)
        received = {name: work.shared[name] for name in method.uploads}
        if method.uploads_gradients:
            received = {name: torch.zeros_like(tensor) for name, tensor in received.items()}
        return LocalResult(received, work.private, loss=0.0, steps=0)
