"""Layers of a scenario, laid over each other: base files, the file, the command line.

A mapping is merged key by key, anything else is replaced. Where a layer names another component for a section,
inherited keys that the new one does not have fall away: `method=local` keeps the file's `context_length` and drops
what only the file's method knew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedsilo.config.layer_merging import COMPOSED, METHOD, combine_parts, move_places, split_method_name
from fedsilo.config.old_keys import rename_old_keys, rename_old_places
from fedsilo.config.problems import KeyPath, Problems, SourcePlace, show_value, suggest_nearest
from fedsilo.config.scenario_paths import accepts_value, find_component, find_keys
from fedsilo.config.schema import (
    CONTRACTS,
    NAMED,
    PLAIN,
    SLOTS,
    USUAL,
    assemble_class,
    is_section,
    keys,
    selector,
    slots,
)
from fedsilo.core import registry
from fedsilo.core.errors import UnknownComponent


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
        """Returns where the value at a key path was written, or the nearest mapping around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None

    def lay(self, other: ScenarioLayer) -> None:
        """Lays another layer over this one: its values win."""
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
        """Forgets the places of a value and of all inside it."""
        for old in [p for p in self.places if p[: len(path)] == path]:
            del self.places[old]


def unfold_names(values: Mapping[str | int, Any]) -> dict[str | int, Any]:
    """Returns the values with bare names written out: `method: local` as `method: {name: local}`.

    A plain section, or one inside it, that is empty says nothing and is left out.
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
    return rename_old_keys(result)


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
    """A copy whose mappings can be changed; a dict in an aliased YAML node would otherwise be shared."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


@dataclass(slots=True)
class LayerStack:
    """The layers put together so far, with the component of each section and slot.

    Attributes:
        problems: Gets what is wrong.
        origin: The place of what is written nowhere.
        fill_in: Turns a name that is an interpolation into the name it stands for; raises UnknownComponent.
        merged: All layers so far as one.
        names: The component's name, by the path of its section or slot; slots that were not named are not there.
    """

    problems: Problems
    origin: SourcePlace
    fill_in: Callable[[str], str]
    merged: ScenarioLayer = field(default_factory=ScenarioLayer)
    names: dict[KeyPath, str] = field(default_factory=lambda: {(section,): name for section, name in USUAL.items()})

    def add(self, layer: ScenarioLayer) -> None:
        """Lays one more layer on top."""
        given = ScenarioLayer(unfold_names(layer.values), rename_old_places(layer.places))
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
                self.names.pop(path, None)  # null is the usual one; anything else the checks refuse
            else:
                self._not_a_section(str(path[0]), given)
        self.merged.lay(given)

    def exchange(self, section: str, name: str, among: Sequence[str]) -> None:
        """Names another component for a section, one of several that are given the same keys.

        Keys that it lacks, and words that it does not allow, fall away if one of `among`, or the component so far, has
        them; what none has stays, to be refused like any mistake.
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
        """Returns the component class of each section; a section whose name is unknown is a problem and left out."""
        found = {}
        for section in CONTRACTS:
            cls = self._component((section,), self.names[section,])
            if cls is not None:
                found[section] = self._assembled(section, cls)
        return found

    def _assembled(self, section: str, cls: type[Any]) -> type[Any]:
        """The component's class with the classes of its slots; a slot that is not known takes the usual one."""
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
            return  # a slot with keys for the usual component
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
        if known is not None:  # else it is said at the end, unless a later layer names another one
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
    """The mapping at a key path, or None."""
    inside: Any = values
    for key in path:
        inside = inside.get(key) if isinstance(inside, dict) else None
    return inside if isinstance(inside, dict) else None


def _own_values(values: dict[str | int, Any], path: KeyPath) -> dict[str | int, Any]:
    """The mapping at a key path that is there, copied in its place, so that it can be changed."""
    for key in path:
        values[key] = dict(values[key])
        values = values[key]
    return values


def _hint(section: KeyPath, value: object, place: SourcePlace | None) -> str:
    """What may have been meant by something that is not a name."""
    if isinstance(value, bool) and place is not None and place.written not in ("", show_value(value)):
        known = suggest_nearest(place.written, registry.names(NAMED[section]))
        return f" YAML reads {place.written} as {show_value(value)}." + (known or " Quote it if it is a name.")
    if value is None:
        usual = USUAL.get(str(section[0])) if section not in SLOTS else None
        return f" Write '{usual}' for the usual one." if usual else " Leave it away for the usual one."
    return ""
