"""Checks the methods that a scenario names as references."""

from __future__ import annotations

from collections.abc import Iterator

from fedsilo.config.layer_merging import split_method_name
from fedsilo.config.reference_methods import find_refusals, make_references
from fedsilo.config.scenario_paths import find_component
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import title_of


def check_reference_names(scenario: Scenario) -> Iterator[str]:
    """Refuses unknown references, and references that need keys: a reference is only named.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    for name in scenario.evaluation.reference_names:
        try:
            for path, part in split_method_name(name).items():
                find_component(path, part)()
        except UnknownComponent as error:
            yield f"evaluation.references: {error}"
        except TypeError:
            yield f"evaluation.references: method '{name}' needs keys. Run it as a scenario of its own."


def check_references(scenario: Scenario) -> Iterator[str]:
    """Refuses references that cannot be trained with the method's keys under the same mechanism and aggregation.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    for name, made in make_references(scenario):
        optimizer = scenario.evaluation.training_of(name, scenario.training).optimizer
        for why in find_refusals(made, scenario, optimizer):
            yield (
                f"evaluation.references: '{name}' cannot be trained with this scenario's keys: {why}. Leave it out, "
                "or use `fedsilo compare`, where every method has keys of its own."
            )


def check_reference_training(scenario: Scenario) -> Iterator[str]:
    """Refuses a training of its own for a reference that is not trained, has two rows, or does not fit the run.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    evaluation, made = scenario.evaluation, make_references(scenario)
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
