"""Checks privacy and aggregation against the method and the number of clients."""

from __future__ import annotations

from collections.abc import Iterator

from fedsilo.config.partition_checks import count_clients
from fedsilo.config.sections import Scenario
from fedsilo.core.registry import name_of, title_of


def check_privacy_without_uploads(scenario: Scenario) -> Iterator[str]:
    """Refuses a mechanism where nothing leaves a client: the budget in the report would mislead.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    mode, method = name_of(scenario.privacy), scenario.method
    if mode == "none" or (method.trains and method.uploads):
        return
    why = "sends nothing" if method.trains else "trains nothing"
    yield f"privacy.mode: '{mode}' protects what clients send, but method '{title_of(method)}' {why}. Set it to 'none'."


def check_single_updates(scenario: Scenario) -> Iterator[str]:
    """Refuses a sum or noise where the method's server compares single updates.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    method = scenario.method
    if not method.reads_updates:
        return
    needs = f"method '{title_of(method)}' needs each client's update in the clear"
    if not scenario.aggregation.shows_updates:
        yield f"aggregation.name: '{name_of(scenario.aggregation)}' shows their sum only, but {needs}. Use 'plain'."
    if name_of(scenario.privacy) != "none":
        yield f"privacy.mode: '{name_of(scenario.privacy)}' protects their mean only, but {needs}. Use 'none'."


def check_gradient_mechanism(scenario: Scenario) -> Iterator[str]:
    """Refuses a mechanism for one gradient per batch where a round's training is sent.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    mechanism, method = scenario.privacy, scenario.method
    if mechanism.per_batch and method.uploads and not method.uploads_gradients:
        yield (
            f"privacy.mode: '{name_of(mechanism)}' is for methods that send every batch's gradient, method "
            f"'{title_of(method)}' sends what a round's training gives. Set method.synchronise to 'batch'"
            f"{'' if hasattr(method, 'synchronise') else ' (which this method has not: choose another one)'}."
        )


def check_noise_shares(scenario: Scenario) -> Iterator[str]:
    """Refuses noise in shares where the aggregation shows single updates: one share hides nothing.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    if scenario.privacy.adds_shares and not scenario.aggregation.masks:
        yield (
            f"privacy.mode: '{name_of(scenario.privacy)}' adds noise in shares, but aggregation.name "
            f"'{name_of(scenario.aggregation)}' shows each client's update with its share only. Set it to 'secure'."
        )


def check_separable_examples(scenario: Scenario) -> Iterator[str]:
    """Refuses protection of examples where the loss of one example depends on others.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    method = scenario.method
    if scenario.privacy.by_example and method.trains and method.uploads and not method.separable:
        yield (
            f"privacy.unit: 'example' needs losses of single examples, method '{title_of(method)}' {method.entangled}."
        )


def check_sum_size(scenario: Scenario) -> Iterator[str]:
    """Refuses a secure sum with too few clients, in the smallest round too.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    clients = count_clients(scenario)
    if clients is None or not scenario.method.uploads:
        return
    fewest = scenario.training.participants(clients)
    for count in sorted({fewest, clients}):
        for line in scenario.aggregation.refusals(count):
            yield f"aggregation.{line}"
            return


def check_identities(scenario: Scenario) -> Iterator[str]:
    """Refuses missing or wrong keys of clients that sign: all sides must know every public key.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    clients = count_clients(scenario)
    if clients is not None and scenario.method.uploads:
        for line in scenario.aggregation.identity_problems(clients):
            yield f"aggregation.{line}"
