"""Makes the reference methods of a scenario from the keys of its method, and refuses those that cannot be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fedsilo.config.layer_merging import COMPOSED
from fedsilo.config.optimizer_checks import find_clashes
from fedsilo.config.sections import Scenario
from fedsilo.core import Learner, Method, Strategy
from fedsilo.core.config_fields import DEFINES
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import JOIN, find, name_of, title_of
from fedsilo.core.training_settings import LearningRateSchedule, Optimizer


def make_reference(name: str, method: Method) -> Method:
    """Makes another method that has the values of the scenario's method where both have the same key.

    Args:
        name: A method's name, or LEARNER+STRATEGY.
        method: The scenario's method.

    Returns:
        The other method.

    Raises:
        UnknownComponent: There is no method, learner or strategy of that name.
        TypeError: It needs keys that the scenario's method does not have.
    """
    values = _values(method)
    learner, joined, strategy = name.partition(JOIN)
    if joined:
        parts = {"learner": (Learner, learner), "strategy": (Strategy, strategy)}
        combined = _filled(find(Method, COMPOSED), {k: _filled(find(*part), values) for k, part in parts.items()})
        assert isinstance(combined, Method)
        return combined
    cls: Any = find(Method, name)
    made = _filled(cls, values)
    assert isinstance(made, Method)
    return made


def _values(method: Method) -> dict[str, Any]:
    """Returns the values of a method's keys; of a combination also those of learner and strategy."""
    found: dict[str, Any] = {}
    for part in method.parts or ():
        found |= {field.name: getattr(part, field.name) for field in fields(part)}  # type: ignore[arg-type]
    for field in fields(method):  # type: ignore[arg-type]
        value = getattr(method, field.name)
        if field.metadata.get("usual"):
            found |= {inner.name: getattr(value, inner.name) for inner in fields(value) if inner.init}
        else:
            found[field.name] = value
    return found


def _filled(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Makes a component with all values that it accepts; values that define a recipe stay."""
    taken = [field for field in fields(cls) if field.init and not field.metadata.get(DEFINES)]
    allowed = {field.name: field.metadata.get("allowed", ()) for field in taken}
    return cls(**{k: v for k, v in values.items() if k in allowed and (not allowed[k] or v in allowed[k])})


def find_refusals(made: Method, scenario: Scenario, optimizer: Optimizer) -> list[str]:
    """Lists why a reference cannot be trained under a scenario's other sections.

    Args:
        made: The reference.
        scenario: The scenario.
        optimizer: The optimizer that trains the reference.

    Returns:
        One clause for each reason; empty when it can.
    """
    mechanism, aggregation = scenario.privacy, scenario.aggregation
    reasons = [problem.rstrip(".") for problem in made.problems()]
    privacy = name_of(mechanism)
    if made.reads_updates and not aggregation.shows_updates:
        reasons.append(f"it needs each client's update in the clear, '{name_of(aggregation)}' shows their sum only")
    if made.reads_updates and privacy != "none":
        reasons.append(f"it needs each client's update in the clear, privacy '{privacy}' protects their mean only")
    if scenario.stragglers.buffered and made.trains and not made.allows_stale:
        reasons.append("its server cannot add updates that come late, stragglers.mode is 'buffered'")
    if mechanism.per_batch and made.uploads and not made.uploads_gradients:
        reasons.append(f"it sends what a round's training gives, privacy '{privacy}' is for every batch's gradient")
    if mechanism.by_example and made.uploads and not made.separable:
        reasons.append(f"it learns from several examples at once, privacy '{privacy}' protects single ones")
    clashes = find_clashes(made, optimizer, mechanism)
    return reasons + [f"it {clash.needs}, {clash.key} is '{clash.value}'" for clash in clashes]


def find_own_settings(scenario: Scenario) -> dict[str, dict[str, object]]:
    """Finds in which keys of `training` references differ from the scenario.

    Args:
        scenario: The scenario.

    Returns:
        Keys with their values, by reference.
    """
    found = {}
    for name, _ in make_references(scenario):
        differs = _differences(scenario.evaluation.training_of(name, scenario.training), scenario.training)
        if differs:
            found[name] = differs
    return found


def _differences(own: Any, usual: Any, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for field in fields(usual):
        ours, theirs = getattr(own, field.name), getattr(usual, field.name)
        if isinstance(theirs, (Optimizer, LearningRateSchedule)):
            found |= _differences(ours, theirs, f"{prefix}{field.name}.")
        elif ours != theirs:
            found[prefix + field.name] = ours
    return found


def make_references(scenario: Scenario) -> list[tuple[str, Method]]:
    """Makes the references of a scenario; without the scenario's own method, which is not run twice.

    Args:
        scenario: The scenario.

    Returns:
        Names and methods; without references that do not exist or need keys.
    """
    found = []
    for name in scenario.evaluation.reference_names:
        try:
            made = make_reference(name, scenario.method)
        except (UnknownComponent, TypeError):
            continue  # reported by `check_reference_names`
        if name != title_of(scenario.method):
            found.append((name, made))
    return found
