"""A fedsilo client that notes how long it was at work, for `flower.py`; both frameworks run this one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedsilo.core import ClientScore, ClientTask, ClientUpdate, EvaluationTask
from fedsilo.simulation.client import Client

FOLDER, PACKAGES = "BENCHMARK_FOLDER", "BENCHMARK_PACKAGES"
"""Environment variables: a folder for what is to be learnt and for notes; where packages are that Flower lacks."""


class TimedClient(Client):
    """A client whose calls are noted as lines of: round, seconds from call to answer."""

    def train(self, task: ClientTask) -> ClientUpdate:
        return noted(task.round, super().train, task)

    def evaluate(self, task: EvaluationTask) -> ClientScore:
        return noted(task.round, super().evaluate, task)


def noted(round: int, call: Callable[[Any], Any], task: Any) -> Any:
    started = time.perf_counter()
    answer = call(task)
    seconds = time.perf_counter() - started
    with (Path(os.environ[FOLDER]) / f"{os.getpid()}.times").open("a") as file:
        file.write(f"{round} {seconds}\n")
    return answer
