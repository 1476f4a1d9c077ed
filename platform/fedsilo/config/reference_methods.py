"""Methods that a scenario's own is compared with: made from its keys, refused if they cannot be trained beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from fedsilo.config.layer_merging import COMPOSED, split_method_name
from fedsilo.config.optimizer_checks import find_clashes
from fedsilo.config.scenario_paths import find_component
from fedsilo.config.sections import Scenario
from fedsilo.core import Learner, Method, Strategy
from fedsilo.core.config_fields import DEFINES
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import JOIN, find, name_of, title_of
from fedsilo.core.training_settings import LearningRateSchedule, Optimizer


def make_reference(name: str, method: Method) -> Method:
    """Returns another method with the scenario's method's values of common fields, where both may have them.

    Args:
        name: A method's name, or LEARNER+STRATEGY.
        method: The scenario's method.

    Raises:
        UnknownComponent: There is no method, learner or strategy of that name.
        TypeError: It needs keys that the scenario's method has not.
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
    """The keys of a method with their values; those of a combination's learner and strategy among them."""
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
    """A component with as many of the values as it may have; a recipe's own values define it and stay."""
    taken = [field for field in fields(cls) if field.init and not field.metadata.get(DEFINES)]
    allowed = {field.name: field.metadata.get("allowed", ()) for field in taken}
    return cls(**{k: v for k, v in values.items() if k in allowed and (not allowed[k] or v in allowed[k])})


def find_refusals(made: Method, scenario: Scenario, optimizer: Optimizer) -> list[str]:
    """Returns why a reference cannot be trained under a scenario's other sections, one clause each.

    Args:
        made: The reference.
        scenario: The scenario.
        optimizer: What the reference is trained with.
    """
    mechanism, aggregation = scenario.privacy, scenario.aggregation
    reasons = [problem.rstrip(".") for problem in made.problems()]
    privacy = name_of(mechanism)
    if made.reads_updates and not aggregation.shows_updates:
        reasons.append(f"it needs each client's update in the clear, '{name_of(aggregation)}' shows their sum only")
    if made.reads_updates and privacy != "none":
        reasons.append(f"it needs each client's update in the clear, privacy '{privacy}' protects their mean only")
    if scenario.pace.buffered and made.trains and not made.allows_stale:
        reasons.append("its server cannot add updates that come late, pace.mode is 'buffered'")
    if mechanism.per_batch and made.uploads and not made.uploads_gradients:
        reasons.append(f"it sends what a round's training gives, privacy '{privacy}' is for every batch's gradient")
    if mechanism.by_example and made.uploads and not made.separable:
        reasons.append(f"it learns from several examples at once, privacy '{privacy}' protects single ones")
    clashes = find_clashes(made, optimizer, mechanism)
    return reasons + [f"it {clash.needs}, {clash.key} is '{clash.value}'" for clash in clashes]


def check_reference_names(scenario: Scenario) -> Iterator[str]:
    """References are named without keys of their own, so each must be a method that can do without."""
    for name in scenario.evaluation.reference_names:
        try:
            for path, part in split_method_name(name).items():
                find_component(path, part)()
        except UnknownComponent as error:
            yield f"evaluation.references: {error}"
        except TypeError:
            yield f"evaluation.references: method '{name}' needs keys. Run it as a scenario of its own."


def check_references(scenario: Scenario) -> Iterator[str]:
    """A reference is trained with the method's keys, under the same mechanism and aggregation; not all can be."""
    for name, made in _made(scenario):
        optimizer = scenario.evaluation.training_of(name, scenario.training).optimizer
        for reason in find_refusals(made, scenario, optimizer):
            yield (
                f"evaluation.references: '{name}' cannot be trained with this scenario's keys: {reason}. Leave it out, "
                "or use `fedsilo compare`, where every method has keys of its own."
            )


def own_training_of_references(scenario: Scenario) -> Iterator[str]:
    """A reference with a training of its own must be trained, have one row, and fit into the rounds of the run."""
    evaluation, made = scenario.evaluation, _made(scenario)
    rows = [title_of(scenario.method), *(title_of(method) for _, method in made)]
    own = {entry.name for entry in evaluation.references if entry.training}
    for name, method in made:
        if name not in own:
            continue
        where = f"evaluation.references: '{name}'"
        if not method.trains:
            yield f"{where} is not trained, so it can have no training of its own. Leave out that key."
        elif rows.count(title_of(method)) > 1:
            yield f"{where} has a training of its own and is there twice. Name it once: it has one row."
        for problem in evaluation.training_of(name, scenario.training).problems():
            yield f"{where}: its training.{problem}"


def own_settings(scenario: Scenario) -> dict[str, dict[str, object]]:
    """Returns the keys of `training` in which references differ from the scenario, with their values, by reference."""
    found = {}
    for name, _ in _made(scenario):
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


def _made(scenario: Scenario) -> list[tuple[str, Method]]:
    """The references that there are, but for the scenario's own method: nothing is run twice."""
    found = []
    for name in scenario.evaluation.reference_names:
        try:
            made = make_reference(name, scenario.method)
        except (UnknownComponent, TypeError):
            continue  # said by `unknown_references`
        if name != title_of(scenario.method):
            found.append((name, made))
    return found
