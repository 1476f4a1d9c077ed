"""Checks the section `training` against the method and the number of clients."""

from __future__ import annotations

import math
from collections.abc import Iterator

from fedsilo.config.partition_checks import count_clients
from fedsilo.config.sections import Scenario
from fedsilo.core.training_settings import FLOATING_ERROR


def check_views(scenario: Scenario) -> Iterator[str]:
    """Refuses cached views together with new views in every epoch.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    if scenario.training.online and scenario.training.views:
        yield (
            f"training.online: draws new views, but training.views asks for {scenario.training.views} cached ones. "
            "Choose one of the two."
        )


def check_participation(scenario: Scenario) -> Iterator[str]:
    """Refuses a participation with which no client trains.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    clients, share = count_clients(scenario), scenario.training.participation
    if clients is not None and share * clients < 1 - FLOATING_ERROR:
        least = math.ceil(1000 / clients) / 1000 if clients <= 1000 else 1 / clients
        yield f"training.participation: {share} of {clients} clients is less than one. Use at least {least:.3g}."
