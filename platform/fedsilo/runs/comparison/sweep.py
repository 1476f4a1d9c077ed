"""Lists the runs of a comparison: every method with every varied value and every seed.

All of them are made from one scenario. A method takes those keys of the scenario's `method` section that it has, and
keeps its defaults for the rest. Seeds, data and partitions are the same for all methods.
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
from fedsilo.report.results.run_entry import list_settings

ALL = "all"
"""A word in the place of a method's name: every method that trains."""


@dataclass(frozen=True)
class Sweep:
    """The runs of a comparison.

    Attributes:
        source: A scenario file, or its content as nested mappings.
        overrides: Changes for all runs.
        methods: Names of methods; empty for the scenario's own, `all` for every method that trains.
        seeds: Seeds; empty for the scenario's own.
        axes: For each varied key its values, each as a change: ((["privacy.epsilon=0.4"], ["privacy.epsilon=0.1"]),).
        only: Changes for single methods, by name; they override all others.
    """

    source: str | os.PathLike[str] | Mapping[str, Any]
    overrides: Changes = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    axes: tuple[tuple[Changes, ...], ...] = ()
    only: Mapping[str, Changes] = field(default_factory=dict)

    def scenarios(self) -> tuple[list[Scenario], list[str]]:
        """Builds the scenario of every run.

        Returns:
            The scenarios without duplicates, and a line for each method of `all` that cannot be run here.

        Raises:
            ScenarioError: A scenario has problems; the error lists those of all runs, and nothing has been written.
        """
        chosen = self._methods()
        for name in self.only:
            if name not in chosen:
                raise ScenarioError(f"methods: '{name}' has keys but is not compared. Add '{name}' to the methods.")
        found: list[Scenario] = []
        refused: dict[str, list[str]] = {}
        for method in chosen:
            try:
                found += self._scenarios_of(method, chosen)
            except ScenarioError as error:
                for line in error.problems:
                    refused.setdefault(line, []).append(method)
        if refused and (not found or ALL not in self.methods):
            lines = [_prefix_methods(line, by, chosen) for line, by in refused.items()]
            raise ScenarioError(lines[0], lines)
        return _remove_duplicates(found), [
            f"left out: {_prefix_methods(line, by, chosen)}" for line, by in refused.items()
        ]

    def _scenarios_of(self, method: str, chosen: tuple[str, ...]) -> list[Scenario]:
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
        """Names of the methods without duplicates; "" is the scenario's own."""
        found: list[str] = []
        for name in self.methods or ("",):
            found += list_trained_methods() if name == ALL else [name]
        for name in found:
            if name:
                _require_method(name)
        return tuple(dict.fromkeys(found))


def list_trained_methods() -> list[str]:
    """Lists the registered methods that train.

    Returns:
        Names, sorted, without combinations of a learner and a strategy.
    """
    recipes = [name for name in names(Method) if name != COMPOSED]
    return [name for name in recipes if find(Method, name)().trains]  # type: ignore[attr-defined]


def build_sweep(
    scenario: str | os.PathLike[str] | Mapping[str, Any],
    overrides: Mapping[str, Any],
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    vary: Mapping[str, Sequence[Any]],
) -> Sweep:
    """Builds a sweep from Python values.

    Args:
        scenario: A scenario file, or its content as nested mappings.
        overrides: Changes for all runs, by dotted key.
        methods: Names of methods, or a mapping from names to changes for that method only.
        seeds: Seeds; empty for the scenario's own.
        vary: Values by dotted key.

    Returns:
        The sweep.
    """
    axes = tuple(tuple({key: value} for value in values) for key, values in vary.items())
    only = {name: keys for name, keys in methods.items() if keys} if isinstance(methods, Mapping) else {}
    return Sweep(scenario, overrides, tuple(methods), tuple(seeds), axes, only)


def _require_method(name: str) -> None:
    try:
        for path, part in split_method_name(name).items():
            find_component(path, part)
    except UnknownComponent as error:
        raise ScenarioError(f"methods: {error}") from error


def _prefix_methods(line: str, by: Sequence[str], chosen: Sequence[str]) -> str:
    """A problem's line, after the names of its methods unless all methods have it."""
    return line if len(by) == len(chosen) else f"{', '.join(by)}: {line}"


def _remove_duplicates(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios without those that would repeat numbers, for example because a method lacks a varied key."""
    found: list[Scenario] = []
    seen: list[dict[str, Any]] = []
    for scenario in scenarios:
        if (mine := list_settings(scenario)) not in seen:
            found.append(scenario)
            seen.append(mine)
    return found
