"""Makes the reference methods of a scenario from the keys of its method, and refuses those that cannot be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fedsilo.config.layer_merging import COMPOSED
from fedsilo.core import Aggregation, Learner, Mechanism, Method, Strategy
from fedsilo.core.config_fields import DEFINES
from fedsilo.core.registry import JOIN, find, name_of


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


def find_refusals(made: Method, mechanism: Mechanism, aggregation: Aggregation, buffered: bool = False) -> list[str]:
    """Lists why a reference cannot be trained under a scenario's mechanism and aggregation.

    Args:
        made: The reference.
        mechanism: The scenario's mechanism.
        aggregation: The scenario's aggregation.
        buffered: Whether its rounds are buffered.

    Returns:
        One clause for each reason; empty when it can.
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
