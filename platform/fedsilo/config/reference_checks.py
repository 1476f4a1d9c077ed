"""Checks the methods that a scenario names as references."""

from __future__ import annotations

from collections.abc import Iterator

from fedsilo.config.layer_merging import split_method_name
from fedsilo.config.reference_methods import find_refusals, make_reference
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
    for name in scenario.evaluation.references:
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
    for name in scenario.evaluation.references:
        try:
            made = make_reference(name, scenario.method)
        except (UnknownComponent, TypeError):
            continue  # reported by `check_reference_names`
        if name == title_of(scenario.method):
            continue  # the method itself: it is not run twice, and other rules check it
        for why in find_refusals(made, scenario.privacy, scenario.aggregation, scenario.pace.buffered):
            yield (
                f"evaluation.references: '{name}' cannot be trained with this scenario's keys: {why}. Leave it out, "
                "or use `fedsilo compare`, where every method has keys of its own."
            )
