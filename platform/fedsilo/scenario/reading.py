"""Scenario files and Python mappings to a checked `Scenario`.

    sources (files, overrides) -> layers -> one mapping -> check -> fill in `${...}` -> check -> sections -> Scenario

Every step notes what is wrong and goes on with the rest, so that one reading reports all problems of a scenario.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedsilo.errors import ScenarioError
from fedsilo.scenario.building import Builder
from fedsilo.scenario.checking import Checker
from fedsilo.scenario.consistency import contradictions
from fedsilo.scenario.interpolation import Tree, filled_in
from fedsilo.scenario.layers import Layer, Stack
from fedsilo.scenario.problems import Place, Problems, shown
from fedsilo.scenario.schema import PLAIN, SECTIONS
from fedsilo.scenario.sections import Heading, Scenario
from fedsilo.scenario.sources import COMMAND_LINE, base_file, file_layers, mapping_layer, override_layer

_NAME = re.compile(r"\w[\w.\-]{0,99}")
_BELOW_ALL_FILES = -1000

Changes = Sequence[str] | Mapping[str, Any]
"""What wins over a scenario: `key.path=value` texts, or a mapping, nested or with dotted keys."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One of several scenarios that are made from the same source and compared.

    Attributes:
        method: Name of its method; "" is the scenario's own.
        among: All methods that are compared: a key that one of them has is no mistake in the others.
        shared: Changes for all of them; keys of `method` that this one lacks fall away.
        own: Changes for this one.
    """

    method: str = ""
    among: tuple[str, ...] = ()
    shared: tuple[Changes, ...] = ()
    own: tuple[Changes, ...] = ()


def read(
    path: str | os.PathLike[str],
    overrides: Changes = (),
    base: Mapping[str, Any] | None = None,
    variant: Variant | None = None,
) -> Scenario:
    """Returns the scenario of a file.

    Args:
        path: The YAML file. It may extend another one (`extends: other.yaml`, relative to the file).
        overrides: Changes that win over the file: `key.path=value` as on the command line, or a mapping.
        base: Values for what the file and its bases do not say, nested or with dotted keys.
        variant: What this scenario is, where several are made from the file; its changes win over the overrides.

    Raises:
        ScenarioError: With every problem found. Nothing has been written.
    """
    if not os.fspath(path).strip():
        raise ScenarioError("scenario: no file is named. Give the path of a scenario file.")
    problems, file = Problems(), Path(path)
    origin = Place(str(file))
    layers = file_layers(file, problems)
    if base:
        layers.insert(0, mapping_layer(base, Place("defaults", 0, _BELOW_ALL_FILES), problems))
    layers.append(_changes(overrides, problems))
    stem = re.sub(r"[^\w.\-]+", "-", file.stem).strip("-.")[:100]
    return _Assembly(problems, origin, variant).scenario(layers, stem or "scenario")


def from_mapping(mapping: Mapping[str, Any], overrides: Changes = (), variant: Variant | None = None) -> Scenario:
    """Returns the scenario of a Python mapping, nested or with dotted keys (`{"training.rounds": 3}`), or both.

    Args:
        mapping: What a file would hold; `extends` is looked for from the current folder.
        overrides: Changes that win over the mapping: `key.path=value` texts, or a mapping.
        variant: What this scenario is, where several are made from the mapping.

    Raises:
        ScenarioError: With every problem found.
    """
    problems, origin = Problems(), Place("scenario")
    layer = mapping_layer(mapping, origin, problems)
    layers = [*base_file(layer, origin, problems), layer, _changes(overrides, problems)]
    return _Assembly(problems, origin, variant).scenario(layers, "scenario")


def _changes(overrides: Changes, problems: Problems) -> Layer:
    if isinstance(overrides, Mapping):
        return mapping_layer(overrides, Place("overrides", 0, COMMAND_LINE), problems)
    return override_layer(overrides, problems)


class _Assembly:
    """Puts one scenario together.

    Args:
        problems: What is wrong so far; with a source that cannot be read the assembly ends before it began.
        origin: The place of what is written nowhere.
        variant: Which of several scenarios is wanted, if there are several.
    """

    def __init__(self, problems: Problems, origin: Place, variant: Variant | None = None) -> None:
        if problems.hopeless:
            problems.refuse()
        self._problems, self._origin, self._variant = problems, origin, variant

    def scenario(self, layers: list[Layer], name: str) -> Scenario:
        """Returns the scenario that the layers make; a later layer wins, `name` is for one that has none."""
        stack = self._stacked(layers)
        whole = _whole(stack.components())
        checker = Checker(self._problems, stack.merged.places, self._origin)
        given = checker.section(whole, _complete(stack.merged, name), ())
        tree = Tree(whole)
        tree.give(given, checker.complain)
        tree.name_components(stack.names)
        checker.resolved = True
        resolved = checker.section(whole, tree.read(given, checker.complain), ())
        return self._finished(whole, resolved, Builder(checker, self._problems))

    def _stacked(self, layers: list[Layer]) -> Stack:
        variant = self._variant or Variant()
        shared, own = ([_changes(part, self._problems) for part in parts] for parts in (variant.shared, variant.own))
        everything = [*layers, *shared, *own]
        stack = Stack(self._problems, self._origin, lambda text: filled_in(text, everything))
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
        builder.note(name_problems(parts["name"]))
        scenario = Scenario(**parts, source=self._origin.source)
        builder.note(contradictions(scenario, self._problems.about))
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


def _complete(merged: Layer, name: str) -> dict[str | int, Any]:
    """The merged values with every section, and with a name, which may be written as a number."""
    given: dict[str | int, Any] = {"name": name, **{section: {} for section in SECTIONS}, **merged.values}
    if isinstance(given["name"], (int, float)) and not isinstance(given["name"], bool):
        place = merged.place(("name",))
        given["name"] = (place.written if place else "") or str(given["name"])
    return given


def name_problems(name: str) -> list[str]:
    """Returns what is wrong with a scenario's name, which becomes that of run folders and actors."""
    if _NAME.fullmatch(name):
        return []
    return [f"name: must be 1 to 100 letters, digits, '-', '_' or '.', no spaces, got {shown(name)}."]
