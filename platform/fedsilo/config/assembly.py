"""Puts a scenario together from its layers: merged, checked, `${...}` filled in, checked again, built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fedsilo.config.component_building import Builder
from fedsilo.config.consistency import find_contradictions
from fedsilo.config.interpolation import ScenarioTree, fill_in_name
from fedsilo.config.layer_sources import Variant, read_changes
from fedsilo.config.layers import LayerStack, ScenarioLayer
from fedsilo.config.problems import Problems, SourcePlace, find_name_problems
from fedsilo.config.schema import PLAIN, SECTIONS
from fedsilo.config.sections import Heading, Scenario
from fedsilo.config.value_checks import Checker


class Assembly:
    """Puts one scenario together.

    Args:
        problems: What is wrong so far.
        origin: The place of what is written nowhere.
        variant: Which of several scenarios is wanted, if there are several.
    """

    def __init__(self, problems: Problems, origin: SourcePlace, variant: Variant | None = None) -> None:
        self._problems, self._origin, self._variant = problems, origin, variant

    def scenario(self, layers: list[ScenarioLayer], name: str) -> Scenario:
        """Returns the scenario that the layers make; a later layer wins, `name` is for one that has none."""
        stack = self._stacked(layers)
        whole = _whole(stack.components())
        checker = Checker(self._problems, stack.merged.places, self._origin)
        given = checker.section(whole, _complete(stack.merged, name), ())
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
        """The scenario of checked values, if its parts fit together."""
        parts = vars(builder.section(whole, values, ()))
        builder.note(find_name_problems(parts["name"]))
        scenario = Scenario(**parts, source=self._origin.source)
        builder.note(find_contradictions(scenario, self._problems.about))
        self._problems.refuse()
        return scenario


def _whole(components: Mapping[str, type[Any]]) -> type[Any]:
    """The scenario as one dataclass whose sections are those of the chosen components; unknown ones may be anything."""
    classes = {**PLAIN, **components}
    return dataclasses.make_dataclass(
        "Whole",
        [(section, classes.get(section, Any)) for section in SECTIONS],
        bases=(Heading,),
        frozen=True,
        kw_only=True,
    )


def _complete(merged: ScenarioLayer, name: str) -> dict[str | int, Any]:
    """The merged values with every section, and with a name, which may be written as a number."""
    given: dict[str | int, Any] = {"name": name, **{section: {} for section in SECTIONS}, **merged.values}
    if isinstance(given["name"], (int, float)) and not isinstance(given["name"], bool):
        place = merged.place(("name",))
        given["name"] = (place.written if place else "") or str(given["name"])
    return given
