"""Checks the sections stragglers and availability against the others, as far as possible without loading data."""

from __future__ import annotations

from collections.abc import Iterator

from fedsilo.config.partition_checks import count_clients
from fedsilo.config.sections import Scenario
from fedsilo.config.stragglers import StragglerPolicy, find_impossible
from fedsilo.core.registry import name_of, title_of


def check_late_updates(scenario: Scenario) -> Iterator[str]:
    """Refuses buffered rounds where method, aggregation or mechanism cannot add updates of older shared states.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    if not scenario.stragglers.buffered or not scenario.method.trains:
        return
    method, mode = scenario.method, "stragglers.mode: 'buffered' adds updates that began from older shared states"
    if not method.allows_stale:
        yield (
            f"{mode}; method '{title_of(method)}' does not send new values in one exchange for a plain mean. Use a "
            "method that does, such as promptfl, or mode 'synchronous'."
        )
    if not scenario.aggregation.allows_stale:
        yield f"{mode}; aggregation '{name_of(scenario.aggregation)}' cannot weigh single ones. Use 'plain'."
    if not scenario.privacy.allows_stale:
        yield (
            f"{mode}; the accounting of privacy '{name_of(scenario.privacy)}' does not cover that. Use 'central' or "
            "'local' with unit 'client', or mode 'synchronous'."
        )


def check_over_selection(scenario: Scenario) -> Iterator[str]:
    """Refuses over-selection where all clients are asked anyway, and a buffer with a participation.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    stragglers, share = scenario.stragglers, scenario.training.participation
    if stragglers.over_select > 1 and share >= 1:
        yield (
            f"stragglers.over_select: {stragglers.over_select:g} times all clients cannot be asked. Set "
            "training.participation below 1, or leave it out."
        )
    if stragglers.buffer and share < 1:
        yield (
            f"training.participation: {share:g} has no effect where stragglers.buffer sets the updates of a round. "
            "Leave out one of them."
        )


def check_straggler_clients(scenario: Scenario) -> Iterator[str]:
    """Refuses numbers of clients in the sections stragglers and availability that the partition does not have.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    clients = count_clients(scenario)
    if clients is None or not (scenario.availability.timed or scenario.stragglers != StragglerPolicy()):
        return
    why = find_impossible(scenario.stragglers, scenario.availability, clients, clients)
    if why:
        yield why
