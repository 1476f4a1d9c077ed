"""The method of a shadow run of the attack on clients, in which some clients contribute nothing.

It is the audited run's method. An absent client takes part as usual: it is sampled, keeps its weight, clips, and adds
its noise. Only its change is zero, for any data. These are the neighbouring data sets of `adjacency: zero_out`: the
contribution of one unit is replaced by nothing, and all sizes stay public.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from fedsilo.core import LocalResult, Method
from fedsilo.core.config_fields import key
from fedsilo.core.round_work import LocalWork
from fedsilo.report.results.finished_run import load


@lru_cache(maxsize=8)
def _method_of(run: str) -> Method:
    return load(run).scenario.method


def _delegate(name: str) -> Any:
    """An attribute of the audited run's method."""
    return property(lambda self: getattr(_method_of(self.run), name))


@dataclass(frozen=True)
class Absence(Method):
    """The method of a run, in which the listed clients learn nothing and send no change."""

    run: str = key("", "The audited run's folder.")
    absent: list[int] = key(list, "Clients that contribute nothing.")

    uploads = _delegate("uploads")
    parts = _delegate("parts")
    reads = _delegate("reads")
    needs_image_blocks = _delegate("needs_image_blocks")
    entangled = _delegate("entangled")
    trains = _delegate("trains")
    reads_updates = _delegate("reads_updates")
    separable = _delegate("separable")
    headline_rounds = _delegate("headline_rounds")
    uploads_gradients = _delegate("uploads_gradients")
    uniform = _delegate("uniform")
    personal = _delegate("personal")
    reads_names = _delegate("reads_names")
    streams = _delegate("streams")
    allows_stale = _delegate("allows_stale")
    phrases = _delegate("phrases")
    initial_shared = _delegate("initial_shared")
    initial_private = _delegate("initial_private")
    exchanges = _delegate("exchanges")
    download = _delegate("download")
    server_step = _delegate("server_step")
    adapt = _delegate("adapt")
    private_for_new_classes = _delegate("private_for_new_classes")
    predictor = _delegate("predictor")

    def train(self, work: LocalWork) -> LocalResult:
        """Trains a client that is present.

        Args:
            work: The client's work of this exchange.

        Returns:
            The method's result; for an absent client the state that it received, and its private state unchanged.
        """
        method = _method_of(self.run)
        if work.client not in self.absent:
            return method.train(work)
        received = {name: work.shared[name] for name in method.uploads}
        if method.uploads_gradients:
            received = {name: torch.zeros_like(tensor) for name, tensor in received.items()}
        return LocalResult(received, work.private, loss=0.0, steps=0)
