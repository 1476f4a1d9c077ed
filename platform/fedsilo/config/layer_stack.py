"""Merges the layers of a scenario one after the other, and tracks which component each section and slot names.

Where a layer names another component for a section, inherited keys that the new component does not have are dropped:
`method=local` keeps the file's `context_length` and drops the keys that only the file's method has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedsilo.config.layer_merging import COMPOSED, METHOD, combine_parts, move_places, split_method_name
from fedsilo.config.layers import ScenarioLayer, unfold_names
from fedsilo.config.problems import KeyPath, Problems, SourcePlace, show_value, suggest_nearest
from fedsilo.config.scenario_paths import accepts_value, find_component, find_keys
from fedsilo.config.schema import CONTRACTS, NAMED, SLOTS, USUAL, assemble_class, keys, selector, slots
from fedsilo.core import registry
from fedsilo.core.errors import UnknownComponent


@dataclass(slots=True)
class LayerStack:
    """The layers merged so far, with the component of each section and slot.

    Attributes:
        problems: Gets what is wrong.
        origin: The place of values that were written nowhere.
        fill_in: Fills in the interpolations of a name; raises UnknownComponent.
        merged: All layers so far as one.
        names: The component's name, by the path of its section or slot; slots without a name are missing.
    """

    problems: Problems
    origin: SourcePlace
    fill_in: Callable[[str], str]
    merged: ScenarioLayer = field(default_factory=ScenarioLayer)
    names: dict[KeyPath, str] = field(default_factory=lambda: {(section,): name for section, name in USUAL.items()})

    def add(self, layer: ScenarioLayer) -> None:
        """Lays one more layer on top.

        Args:
            layer: The layer.
        """
        given = ScenarioLayer(unfold_names(layer.values), dict(layer.places))
        if isinstance(given.values.get(METHOD), dict):
            given.values[METHOD] = combine_parts(
                given.values[METHOD], _values_at(self.merged.values, (METHOD,)) or {}, self.names
            )
            given.places |= move_places(given.values[METHOD], {**self.merged.places, **given.places})
        for path in NAMED:
            inside = _values_at(given.values, path[:-1])
            if inside is None or path[-1] not in inside:
                continue
            if isinstance(inside[path[-1]], dict):
                self._rename(path, given)
            elif path in SLOTS:
                self.names.pop(path, None)  # null means the usual one; checks refuse other values
            else:
                self._not_a_section(str(path[0]), given)
        self.merged.lay(given)

    def exchange(self, section: str, name: str, among: Sequence[str]) -> None:
        """Names another component for a section: one of several that get the same keys.

        Keys that it lacks, and words that it does not allow, are dropped if one of `among`, or the component so far,
        has them. Keys that none of them has stay, and are refused like any mistake.

        Args:
            section: The section.
            name: The component's name.
            among: Names of all components that get the keys.
        """
        path = (section,)
        parts = split_method_name(name)
        if path not in parts:
            self.add(ScenarioLayer({section: {"name": name}}))
            return
        if self.names[path] == COMPOSED != name:
            self.add(ScenarioLayer({section: {"name": name}}))
        others = [find_keys(path, other) or {} for other in {self.names[path], *among} - {name}]
        own = find_keys(path, name) or {}
        self.names[path] = name
        values = self.merged.values.get(section, {})
        gone = [
            key
            for key, value in values.items()
            if not accepts_value(own, key, value) and any(accepts_value(other, key, value) for other in others)
        ]
        self._forget(path, gone)

    def components(self) -> dict[str, type[Any]]:
        """Finds the component class of each section, and notes a problem for each unknown name.

        Returns:
            Classes by section; sections with unknown names are left out.
        """
        found = {}
        for section in CONTRACTS:
            cls = self._component((section,), self.names[section,])
            if cls is not None:
                found[section] = self._assembled(section, cls)
        return found

    def _assembled(self, section: str, cls: type[Any]) -> type[Any]:
        """Gives the component's class the classes of its slots; an unknown name is replaced by the usual one."""
        inner = {}
        for slot in slots(cls):
            usual = keys(cls)[slot].usual
            name = self.names.setdefault((section, slot), usual)
            inner[slot] = self._component((section, slot), name) or find_component((section, slot), usual)
        return assemble_class(cls, inner)

    def _component(self, path: KeyPath, name: str) -> type[Any] | None:
        where = (*path, selector(path[-1]))
        if self.problems.about(where):
            return None
        try:
            return find_component(path, name)
        except UnknownComponent as error:
            self.problems.add(self.merged.place(where) or self.origin, where, str(error))
            return None

    def _rename(self, section: KeyPath, given: ScenarioLayer) -> None:
        path = (*section, selector(section[-1]))
        values = _own_values(given.values, section)
        name = values.pop(selector(section[-1]), self.names.get(section))
        place = given.place(path)
        if name is None and path not in given.places:
            return  # a slot with keys of the usual component
        try:
            name = self.fill_in(name) if isinstance(name, str) and "${" in name else name
        except UnknownComponent as error:
            self.problems.add(place or self.origin, path, str(error))
            return
        if not isinstance(name, str):
            what = f"must be a name, got {show_value(name)}.{_hint(section, name, place)}"
            self.problems.add(place or self.origin, path, what)
        elif name != self.names.get(section):
            self.names[section] = name
            self._forget_foreign_keys(section, name)
        if place is not None:
            self.merged.places[path] = place

    def _forget_foreign_keys(self, section: KeyPath, name: str) -> None:
        known = find_keys(section, name)
        if known is not None:  # an unknown name is reported at the end, unless a later layer replaces it
            self._forget(section, set(_values_at(self.merged.values, section) or {}) - set(known))

    def _forget(self, section: KeyPath, foreign: Collection[str | int]) -> None:
        inherited = _values_at(self.merged.values, section) or {}
        for key in [key for key in inherited if key in foreign]:
            del inherited[key]
            self.merged.drop((*section, key))
            self.names.pop((*section, key), None)

    def _not_a_section(self, section: str, given: ScenarioLayer) -> None:
        value, place = given.values.pop(section), given.place((section,))
        what = f"must be a name or a mapping with '{selector(section)}', got {show_value(value)}."
        self.problems.add(place or self.origin, (section,), what + _hint((section,), value, place))


def _values_at(values: Mapping[str | int, Any], path: KeyPath) -> dict[str | int, Any] | None:
    """Returns the mapping at a key path, or None."""
    inside: Any = values
    for key in path:
        inside = inside.get(key) if isinstance(inside, dict) else None
    return inside if isinstance(inside, dict) else None


def _own_values(values: dict[str | int, Any], path: KeyPath) -> dict[str | int, Any]:
    """Replaces the mapping at a key path by a copy that can be changed, and returns the copy."""
    for key in path:
        values[key] = dict(values[key])
        values = values[key]
    return values


def _hint(section: KeyPath, value: object, place: SourcePlace | None) -> str:
    """Suggests a name where something else was written."""
    if isinstance(value, bool) and place is not None and place.written not in ("", show_value(value)):
        known = suggest_nearest(place.written, registry.names(NAMED[section]))
        return f" YAML reads {place.written} as {show_value(value)}." + (known or " Quote it if it is a name.")
    if value is None:
        usual = USUAL.get(str(section[0])) if section not in SLOTS else None
        return f" Write '{usual}' for the usual one." if usual else " Leave it away for the usual one."
    return ""
