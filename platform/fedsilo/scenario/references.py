"""Methods that a scenario's own is compared with: made from its keys, refused if they cannot be trained beside it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fedsilo.core import Aggregation, Mechanism, Method
from fedsilo.registry import find, name_of
from fedsilo.training.recipes import Recipe


def reference(name: str, method: Method) -> Method:
    """Returns another method with the scenario's method's values of common fields, where both may have them.

    A value that its strategy refuses with its learner, such as a way of synchronising, is left at its default there.
    """
    cls: Any = find(Method, name)
    allowed = {field.name: field.metadata.get("allowed", ()) for field in fields(cls)}
    values = {k: v for k, v in _keys(method).items() if k in allowed and (not allowed[k] or v in allowed[k])}
    made = cls(**values)
    if isinstance(made, Recipe):
        refused = {line.partition(":")[0] for line in made.strategy.refusals(made.learner)}
        made = cls(**{key: value for key, value in values.items() if key not in refused})
    assert isinstance(made, Method)
    return made


def _keys(method: Any) -> dict[str, Any]:
    """The values of a method's keys, of those that stand in its learner and its strategy as well."""
    parts = (method.learner, method.strategy) if isinstance(method, Recipe) else (method,)
    return {field.name: getattr(part, field.name) for part in parts for field in fields(part)}


def refusals(made: Method, mechanism: Mechanism, aggregation: Aggregation, buffered: bool = False) -> list[str]:
    """Returns why a reference cannot be trained under a scenario's mechanism and aggregation, one clause each.

    Args:
        made: The reference.
        mechanism: The scenario's mechanism.
        aggregation: The scenario's aggregation.
        buffered: Whether its rounds are buffered.
    """
    reasons = [problem.rstrip(".") for problem in made.problems()]
    privacy = name_of(mechanism)
    if made.reads_updates and not aggregation.shows_updates:
        reasons.append(f"it needs each client's update in the clear, '{name_of(aggregation)}' shows their sum only")
    if made.reads_updates and privacy != "none":
        reasons.append(f"it needs each client's update in the clear, privacy '{privacy}' protects their mean only")
    if buffered and made.trains and not made.allows_stale:
        reasons.append("its server cannot add updates that come late, pace.mode is 'buffered'")
    if mechanism.per_batch and made.uploads and not made.uploads_gradients:
        reasons.append(f"it sends what a round's training gives, privacy '{privacy}' is for every batch's gradient")
    if mechanism.by_example and made.uploads and not made.separable:
        reasons.append(f"it learns from several examples at once, privacy '{privacy}' protects single ones")
    return reasons
