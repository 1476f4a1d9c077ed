"""What a strategy computes with, against the optimizer and the mechanism of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fedsilo.config.sections import Scenario
from fedsilo.core import Mechanism, Method
from fedsilo.core.registry import name_of, title_of
from fedsilo.core.training_settings import KEPT, SGD, Optimizer


@dataclass(frozen=True, slots=True)
class Clash:
    """A key that a strategy cannot compute with.

    Attributes:
        key: The key, from the top of the scenario.
        value: What it is.
        needs: What the strategy does, as the end of a sentence about a method.
        remedy: What to do.
    """

    key: str
    value: str
    needs: str
    remedy: str


def find_clashes(method: Method, optimizer: Optimizer, mechanism: Mechanism) -> Iterator[Clash]:
    """Finds the keys that a method's strategy cannot compute with.

    Some strategies divide a client's change by what SGD makes of one gradient, in a round that begins without
    momentum. Some upload numbers that a mechanism would change.

    Args:
        method: The method.
        optimizer: The optimizer that trains it.
        mechanism: The privacy mechanism.

    Yields:
        One entry for each key.
    """
    if method.parts is None:
        return
    strategy, privacy = method.parts[1], name_of(mechanism)
    if strategy.needs_sgd and optimizer.name != SGD:
        needs = "computes with the steps of SGD"
        yield Clash("training.optimizer.name", optimizer.name, needs, "Use 'sgd', or another strategy.")
    elif strategy.needs_sgd and optimizer.state == KEPT and optimizer.momentum:
        needs = "computes with the steps of SGD of one round, in which momentum of earlier rounds has no part"
        yield Clash("training.optimizer.state", KEPT, needs, "Use 'fresh', or a momentum of 0.")
    if strategy.counts_exactly and privacy != "none":
        needs = "sends counts, which the mechanism would clip and add noise to"
        yield Clash("privacy.mode", privacy, needs, "Use 'none', or the strategy fedavg, which sends none.")


def check_optimizer(scenario: Scenario) -> Iterator[str]:
    """Refuses optimizers that the strategy of the scenario's own method cannot compute with.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    method = scenario.method
    for clash in find_clashes(method, scenario.training.optimizer, scenario.privacy):
        if clash.key.startswith("training."):
            yield _line(clash, method)


def check_exact_counts(scenario: Scenario) -> Iterator[str]:
    """Refuses mechanisms where the strategy uploads numbers that a mechanism would change.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    method = scenario.method
    for clash in find_clashes(method, Optimizer(), scenario.privacy):
        if clash.key.startswith("privacy."):
            yield _line(clash, method)


def _line(clash: Clash, method: Method) -> str:
    return f"{clash.key}: is '{clash.value}', but method '{title_of(method)}' {clash.needs}. {clash.remedy}"
