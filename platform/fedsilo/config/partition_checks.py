"""Checks the partition against the corruptions that exist and the methods that are trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fedsilo.config.reference_methods import make_reference
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import title_of
from fedsilo.partitioning.corruption.alteration import Alteration
from fedsilo.partitioning.corruption.kinds import SEVERITIES


def check_corruption(scenario: Scenario) -> Iterator[str]:
    """Refuses unknown corruptions and severities, which the contract of partitions does not know.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    corruption = scenario.partition.corruption
    severities = [corruption.severity] if isinstance(corruption.severity, int) else corruption.severity
    if not severities:
        yield "partition.corruption.severity: is empty. Give a number from 1 to 5, or several."
    for severity in severities:
        if severity not in SEVERITIES:
            yield f"partition.corruption.severity: must be 1 to {SEVERITIES[-1]}, got {severity}."
    for line in dict.fromkeys(line for kind in corruption.kinds for line in Alteration(kind, 1).problems()):
        yield f"partition.corruption.kinds: {line.partition(': ')[2]}"


def check_unseen_classes(scenario: Scenario) -> Iterator[str]:
    """Refuses unseen classes where a method learns per-class parameters.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    methods = {title_of(scenario.method): scenario.method}
    with suppress(UnknownComponent, TypeError):  # reported by `check_reference_names`
        methods |= {name: make_reference(name, scenario.method) for name in scenario.evaluation.reference_names}
    for name, method in methods.items():
        if scenario.partition.unseen.classes and not method.reads_names:
            has = hasattr(method, "class_specific")
            yield (
                f"partition.unseen.classes: '{name}' learns per-class parameters, so it cannot score unseen classes. "
                f"Use another method{', or method.class_specific=false' if has else ''}."
            )


def count_clients(scenario: Scenario) -> int | None:
    """Counts the clients of the partition, as far as its fields say it.

    Args:
        scenario: The scenario.

    Returns:
        The number of clients; None where only the data decides.
    """
    clients = getattr(scenario.partition, "clients", None)
    extra = len(scenario.partition.unseen.domains)
    return clients + extra if isinstance(clients, int) and clients > 0 else None
