"""Which runs a comparison consists of: every method with every varied value and every seed.

All of them are made from one scenario. A method takes over the keys of the scenario's `method` section that it has
too and keeps its own defaults for the rest; seeds and data are the same for all, and so are the partitions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from fedsilo.config.layer_merging import COMPOSED, split_method_name
from fedsilo.config.layer_sources import Changes, Variant
from fedsilo.config.scenario_paths import find_component
from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.config.sections import Scenario
from fedsilo.core import Method
from fedsilo.core.errors import ScenarioError, UnknownComponent
from fedsilo.core.registry import find, names
from fedsilo.report.results.run_entry import settings

ALL = "all"
"""In the place of a method's name: every method that trains."""


@dataclass(frozen=True)
class Sweep:
    """What is compared.

    Attributes:
        source: A scenario file, or its content as nested mappings.
        overrides: Changes for all runs.
        methods: Names of methods; none is the scenario's own, `all` every one that trains.
        seeds: Seeds; none is the scenario's own.
        axes: For each varied key its values, each as a change: ((["privacy.epsilon=0.4"], ["privacy.epsilon=0.1"]),).
        only: Changes for single methods, by name; they win over all others.
    """

    source: str | os.PathLike[str] | Mapping[str, Any]
    overrides: Changes = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    axes: tuple[tuple[Changes, ...], ...] = ()
    only: Mapping[str, Changes] = field(default_factory=dict)

    def scenarios(self) -> tuple[list[Scenario], list[str]]:
        """Returns the scenario of every run, each once, and a line for each method of `all` that cannot be run here.

        Raises:
            ScenarioError: With every problem found in any of them; nothing has been written.
        """
        chosen = self._methods()
        for name in self.only:
            if name not in chosen:
                raise ScenarioError(f"methods: keys are given for '{name}', which is not compared. Add it.")
        found: list[Scenario] = []
        refused: dict[str, list[str]] = {}
        for method in chosen:
            try:
                found += self._of(method, chosen)
            except ScenarioError as error:
                for line in error.problems:
                    refused.setdefault(line, []).append(method)
        if refused and (not found or ALL not in self.methods):
            lines = [_said_of(line, by, chosen) for line, by in refused.items()]
            raise ScenarioError(lines[0], lines)
        return _each_once(found), [f"left out: {_said_of(line, by, chosen)}" for line, by in refused.items()]

    def _of(self, method: str, chosen: tuple[str, ...]) -> list[Scenario]:
        """The scenarios of one method."""
        own: list[Changes] = [{"evaluation.references": []}]
        if method in self.only:
            own.append(self.only[method])
        seeds: list[Changes] = [{"seed": seed} for seed in self.seeds] or [()]
        among = tuple(name for name in chosen if name)
        return [
            self._read(Variant(method, among, point, (*own, seed))) for point in product(*self.axes) for seed in seeds
        ]

    def _read(self, variant: Variant) -> Scenario:
        if isinstance(self.source, Mapping):
            return from_mapping(self.source, self.overrides, variant)
        return read(self.source, self.overrides, variant=variant)

    def _methods(self) -> tuple[str, ...]:
        """The methods' names, each once; "" is the scenario's own."""
        found: list[str] = []
        for name in self.methods or ("",):
            found += trained_methods() if name == ALL else [name]
        for name in found:
            if name:
                _known(name)
        return tuple(dict.fromkeys(found))


def trained_methods() -> list[str]:
    """Returns the names of all registered methods that have something to learn, sorted; combinations have no end."""
    recipes = [name for name in names(Method) if name != COMPOSED]
    return [name for name in recipes if find(Method, name)().trains]  # type: ignore[attr-defined]


def grid_of(
    scenario: str | os.PathLike[str] | Mapping[str, Any],
    overrides: Mapping[str, Any],
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    vary: Mapping[str, Sequence[Any]],
) -> Sweep:
    """Returns the grid of what is given in Python; `methods` may map names to the keys that only they get."""
    axes = tuple(tuple({key: value} for value in values) for key, values in vary.items())
    only = {name: keys for name, keys in methods.items() if keys} if isinstance(methods, Mapping) else {}
    return Sweep(scenario, overrides, tuple(methods), tuple(seeds), axes, only)


def _known(name: str) -> None:
    try:
        for path, part in split_method_name(name).items():
            find_component(path, part)
    except UnknownComponent as error:
        raise ScenarioError(f"methods: {error}") from error


def _said_of(line: str, by: Sequence[str], chosen: Sequence[str]) -> str:
    """A problem's line, with the methods it is about unless it is about all."""
    return line if len(by) == len(chosen) else f"{', '.join(by)}: {line}"


def _each_once(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios without those that would give the same numbers again, such as a varied key that a method lacks."""
    found: list[Scenario] = []
    seen: list[dict[str, Any]] = []
    for scenario in scenarios:
        if (mine := settings(scenario)) not in seen:
            found.append(scenario)
            seen.append(mine)
    return found
