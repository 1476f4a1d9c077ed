"""Layers of a scenario, laid over each other: base files, the file, the command line.

Mappings are merged key by key, other values are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedsilo.config.key_types import is_section
from fedsilo.config.old_keys import refuse_double_keys, rename_old_keys
from fedsilo.config.problems import KeyPath, Problems, SourcePlace
from fedsilo.config.schema import CONTRACTS, PLAIN, SLOTS, keys, selector


@dataclass(slots=True)
class ScenarioLayer:
    """One of the sources that a scenario is made of.

    Attributes:
        values: Nested mappings, lists, text, numbers, booleans and None.
        places: Where each value was written, by key path.
    """

    values: dict[str | int, Any] = field(default_factory=dict)
    places: dict[KeyPath, SourcePlace] = field(default_factory=dict)

    def place(self, path: KeyPath) -> SourcePlace | None:
        """Finds where a value was written.

        Args:
            path: Key path of the value.

        Returns:
            Its place, or that of the nearest mapping around it; None if there is none.
        """
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None

    def lay(self, other: ScenarioLayer) -> None:
        """Lays another layer over this one.

        Args:
            other: The other layer; its values win.
        """
        self._lay(self.values, unfold_names(other.values), (), other)

    def _lay(
        self, into: dict[str | int, Any], values: Mapping[str | int, Any], path: KeyPath, other: ScenarioLayer
    ) -> None:
        for key, value in values.items():
            here = (*path, key)
            if isinstance(value, dict) and isinstance(into.get(key), dict):
                self._lay(into[key], value, here, other)
                continue
            self.drop(here)
            into[key] = _copied(value)
            self.places |= {p: place for p, place in other.places.items() if p[: len(here)] == here}
            if here not in self.places and (place := other.place(here)):
                self.places[here] = place

    def drop(self, path: KeyPath) -> None:
        """Forgets the places of a value and of all values inside it.

        Args:
            path: Key path of the value.
        """
        for old in [p for p in self.places if p[: len(path)] == path]:
            del self.places[old]


class SourceLayer:
    """The layer of one source with the keys of today, collected value by value.

    Args:
        origin: The source.
        problems: Gets notices of old keys, and what is wrong with them.
    """

    def __init__(self, origin: SourcePlace, problems: Problems) -> None:
        self._origin, self._problems = origin, problems
        self._written, self._renamed = ScenarioLayer(), ScenarioLayer()

    def lay(self, part: ScenarioLayer) -> None:
        """Lays a part of the source over what is there.

        Args:
            part: Values as they were written.
        """
        self._written.lay(part)
        self._renamed.lay(ScenarioLayer(*rename_old_keys(part.values, part.places, self._origin, self._problems)))

    def close(self) -> ScenarioLayer:
        """Checks that the source has no key under two names.

        Returns:
            The layer.
        """
        refuse_double_keys(self._written.values, self._written.places, self._origin, self._problems)
        return self._renamed


def unfold_names(values: Mapping[str | int, Any]) -> dict[str | int, Any]:
    """Writes bare names as mappings: `method: local` as `method: {name: local}`.

    An empty plain section, or an empty section inside one, is left out.

    Args:
        values: The values of a layer.

    Returns:
        The values with mappings.
    """
    result = dict(values)
    for section in CONTRACTS:
        if isinstance(result.get(section), str):
            result[section] = {selector(section): result[section]}
    for around, slot in SLOTS:
        inside = result.get(around)
        if isinstance(inside, dict) and isinstance(inside.get(slot), str):
            result[around] = {**inside, slot: {selector(slot): inside[slot]}}
    for section, cls in PLAIN.items():
        if section in result:
            result[section] = _unfolded(cls, result[section])
            if result[section] is None:
                del result[section]
    return result


def _unfolded(cls: type[Any], value: Any) -> Any:
    known = keys(cls)
    if isinstance(value, str) and "name" in known:
        return {"name": value}
    if not isinstance(value, dict):
        return value
    nested = {name: key.type for name, key in known.items() if is_section(key.type)}
    inside = {name: _unfolded(nested[name], item) if name in nested else item for name, item in value.items()}
    return {name: item for name, item in inside.items() if not (name in nested and item is None)}


def _copied(value: Any) -> Any:
    """Copies a value; a dict of an aliased YAML node would be shared otherwise."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
