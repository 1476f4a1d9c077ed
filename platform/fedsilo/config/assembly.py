"""Makes a scenario from its layers: merges, checks, fills in `${...}`, checks again, builds the sections."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from fedsilo.config.component_building import Builder
from fedsilo.config.consistency import find_contradictions
from fedsilo.config.evaluation_section import ReferenceTraining
from fedsilo.config.interpolation import ScenarioTree, fill_in_name
from fedsilo.config.key_types import is_section
from fedsilo.config.layer_sources import Variant, read_changes
from fedsilo.config.layer_stack import LayerStack
from fedsilo.config.layers import ScenarioLayer
from fedsilo.config.problems import Problems, SourcePlace, find_name_problems
from fedsilo.config.schema import PLAIN, SECTIONS, keys
from fedsilo.config.sections import Heading, Scenario
from fedsilo.config.value_checks import Checker


class Assembly:
    """Makes one scenario.

    Args:
        problems: Problems so far.
        origin: The place of values that were written nowhere.
        variant: Which of several scenarios is made; None for a single one.
    """

    def __init__(self, problems: Problems, origin: SourcePlace, variant: Variant | None = None) -> None:
        self._problems, self._origin, self._variant = problems, origin, variant

    def scenario(self, layers: list[ScenarioLayer], name: str) -> Scenario:
        """Makes the scenario of the layers.

        Args:
            layers: The layers; a later one wins.
            name: The scenario's name where no layer has one.

        Returns:
            The scenario.

        Raises:
            ScenarioError: With every problem found.
        """
        stack = self._stacked(layers)
        whole = _whole(tuple(stack.components().items()))
        checker = Checker(self._problems, stack.merged.places, self._origin)
        given = with_inherited_training(checker.section(whole, _complete(stack.merged, name), ()))
        tree = ScenarioTree(whole)
        tree.give(given, checker.complain)
        tree.name_components(stack.names)
        checker.resolved = True
        resolved = checker.section(whole, tree.read(given, checker.complain), ())
        return self._finished(whole, resolved, Builder(checker, self._problems))

    def _stacked(self, layers: list[ScenarioLayer]) -> LayerStack:
        variant = self._variant or Variant()
        shared, own = (
            [read_changes(part, self._problems) for part in parts] for parts in (variant.shared, variant.own)
        )
        everything = [*layers, *shared, *own]
        stack = LayerStack(self._problems, self._origin, lambda text: fill_in_name(text, everything))
        for layer in (*layers, *shared):
            stack.add(layer)
        if self._variant:
            stack.exchange("method", variant.method or stack.names[("method",)], variant.among)
        for layer in own:
            stack.add(layer)
        return stack

    def _finished(self, whole: type[Any], values: Mapping[str | int, Any], builder: Builder) -> Scenario:
        """Builds the scenario of checked values, if its sections do not contradict each other."""
        parts = vars(builder.section(whole, values, ()))
        builder.note(find_name_problems(parts["name"]))
        scenario = Scenario(**parts, source=self._origin.source)
        builder.note(find_contradictions(scenario, self._problems.about))
        self._problems.refuse()
        return scenario


def with_inherited_training(given: dict[str | int, Any]) -> dict[str | int, Any]:
    """Completes references that have a training of their own: they get all its keys.

    Keys that a reference does not name become interpolations of the section `training`, so they follow it whichever
    layer wins.

    Args:
        given: Checked values of the whole scenario.

    Returns:
        The same values with complete references.
    """
    evaluation = given.get("evaluation") or {}
    entries = [
        {**entry, "training": _laid_over(_links(ReferenceTraining, "training"), entry["training"])}
        if isinstance(entry.get("training"), dict)
        else entry
        for entry in evaluation.get("references", [])
    ]
    return {**given, "evaluation": {**evaluation, "references": entries}} if entries else given


def _links(section: type[Any], where: str) -> dict[str | int, Any]:
    """The keys of a section as interpolations of the same keys at another place."""
    return {
        name: _links(key.type, f"{where}.{name}") if is_section(key.type) else f"${{{where}.{name}}}"
        for name, key in keys(section).items()
    }


def _laid_over(usual: dict[str | int, Any], own: Mapping[str | int, Any]) -> dict[str | int, Any]:
    layer = ScenarioLayer(usual)
    layer.lay(ScenarioLayer(dict(own)))
    return layer.values


@functools.lru_cache(maxsize=256)
def _whole(components: tuple[tuple[str, type[Any]], ...]) -> type[Any]:
    """Makes one dataclass of the scenario with the classes of its components; sections with unknown ones are Any."""
    classes = {**PLAIN, **dict(components)}
    return dataclasses.make_dataclass(
        "Whole",
        [(section, classes.get(section, Any)) for section in SECTIONS],
        bases=(Heading,),
        frozen=True,
        kw_only=True,
    )


def _complete(merged: ScenarioLayer, name: str) -> dict[str | int, Any]:
    """Adds missing sections and the name to the merged values; a name that is a number becomes text."""
    given: dict[str | int, Any] = {"name": name, **{section: {} for section in SECTIONS}, **merged.values}
    if isinstance(given["name"], (int, float)) and not isinstance(given["name"], bool):
        place = merged.place(("name",))
        given["name"] = (place.written if place else "") or str(given["name"])
    return given
