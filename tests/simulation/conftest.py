"""Schedules of small federations: pure functions of the scenario, no training."""

from collections.abc import Callable
from typing import Any

import pytest

from fedsilo.core.training_settings import Training
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.schedule import Schedule

METHOD = PromptFL(context_length=3)


def make_schedule(clients: int = 3, rounds: int = 4, size: int = 8, seed: int = 0, **changes: Any) -> Schedule:
    """Every client makes one step a round unless sizes say otherwise."""
    training = Training(rounds=rounds, batch_size=8, participation=changes.pop("participation", 1.0))
    sizes = changes.pop("sizes", (size,) * clients)
    return Schedule(changes.pop("method", METHOD), training, sizes, seed, **changes)


@pytest.fixture(scope="session")
def schedule() -> Callable[..., Schedule]:
    """The function that makes a schedule of a few clients."""
    return make_schedule
