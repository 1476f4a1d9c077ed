"""A run, and the same run gone on with, for the loggers that are installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedsilo.core.tracking import Log, Logger, Occasion

SCENARIO = {"training": {"rounds": 3, "optimizer": {"learning_rate": 0.1}}, "evaluation": {"references": []}}


@pytest.fixture(autouse=True)
def _others_warnings() -> Iterator[None]:
    """Their own warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def log_twice(logger: Logger, folder: Path) -> str:
    """Two rounds, an interruption, a third round and the result; returns the run's identity."""
    log: Log = logger.open(Occasion(folder, "", SCENARIO))
    for round in range(2):
        log.log("promptfl", round, {"loss": 1.0 - 0.25 * round, "seconds/train": 2.0})
    log.close(finished=False)
    again = logger.open(Occasion(folder, log.identity, SCENARIO))
    assert again.identity == log.identity
    again.log("promptfl", 2, {"loss": 0.5, "seconds/train": 2.0})
    again.log("local", 0, {"loss": 0.75})
    again.conclude({"promptfl/local_accuracy": 0.7})
    again.close(finished=True)
    return log.identity


@pytest.fixture(scope="session")
def twice() -> Callable[[Logger, Path], str]:
    """The function that logs an interrupted run and returns its identity."""
    return log_twice
