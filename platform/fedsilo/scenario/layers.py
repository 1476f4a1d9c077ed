"""Layers of a scenario, laid over each other: base files, the file, the command line.

A mapping is merged key by key, anything else is replaced. Where a layer names another component for a section,
inherited keys that the new one does not have fall away: `method=local` keeps the file's `context_length` and drops
what only the file's method knew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedsilo import registry
from fedsilo.errors import UnknownComponent
from fedsilo.scenario.problems import KeyPath, Place, Problems, nearest, shown
from fedsilo.scenario.schema import CONTRACTS, PLAIN, USUAL, Key, defaults, is_section, keys, selector


@dataclass(slots=True)
class Layer:
    """One of the sources that a scenario is made of.

    Attributes:
        values: Nested mappings, lists, text, numbers, booleans and None.
        places: Where each value was written, by key path.
    """

    values: dict[str | int, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)

    def place(self, path: KeyPath) -> Place | None:
        """Returns where the value at a key path was written, or the nearest mapping around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None

    def lay(self, other: Layer) -> None:
        """Lays another layer over this one: its values win."""
        self._lay(self.values, unfolded(other.values), (), other)

    def _lay(self, into: dict[str | int, Any], values: Mapping[str | int, Any], path: KeyPath, other: Layer) -> None:
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


def unfolded(values: Mapping[str | int, Any]) -> dict[str | int, Any]:
    """Returns the values with bare names written out: `method: local` as `method: {name: local}`.

    A plain section, or one inside it, that is empty says nothing and is left out.
    """
    result = dict(values)
    for section in CONTRACTS:
        if isinstance(result.get(section), str):
            result[section] = {selector(section): result[section]}
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
    """A copy whose mappings can be changed; a dict in an aliased YAML node would otherwise be shared."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Stack:
    """The layers put together so far, with the component of each section.

    Attributes:
        problems: Gets what is wrong.
        origin: The place of what is written nowhere.
        fill_in: Turns a name that is an interpolation into the name it stands for; raises UnknownComponent.
        merged: All layers so far as one.
        names: The component's name, by section.
    """

    problems: Problems
    origin: Place
    fill_in: Callable[[str], str]
    merged: Layer = field(default_factory=Layer)
    names: dict[str, str] = field(default_factory=lambda: dict(USUAL))

    def add(self, layer: Layer) -> None:
        """Lays one more layer on top."""
        given = Layer(unfolded(layer.values), layer.places)
        for section in CONTRACTS:
            if section not in given.values:
                continue
            if isinstance(given.values[section], dict):
                self._rename(section, given)
            else:
                self._not_a_section(section, given)
        self.merged.lay(given)

    def exchange(self, section: str, name: str, among: Sequence[str]) -> None:
        """Names another component for a section, one of several that are given the same keys.

        Keys that it lacks, and words that it does not allow, fall away if one of `among`, or the component so far, has
        them; what none has stays, to be refused like any mistake.
        """
        others = [_keys_of(section, other) or {} for other in {self.names[section], *among} - {name}]
        own = _keys_of(section, name) or {}
        self.names[section] = name
        values = self.merged.values.get(section, {})
        self._forget(
            section,
            [
                key
                for key, value in values.items()
                if not _takes(own, key, value) and any(_takes(other, key, value) for other in others)
            ],
        )

    def components(self) -> dict[str, type[Any]]:
        """Returns the component class of each section; a section whose name is unknown is a problem and left out."""
        found = {}
        for section, name in self.names.items():
            path = (section, selector(section))
            if self.problems.about(path):
                continue
            try:
                found[section] = component(section, name)
            except UnknownComponent as error:
                self.problems.add(self.merged.place(path) or self.origin, path, str(error))
        return found

    def _rename(self, section: str, given: Layer) -> None:
        path = (section, selector(section))
        values = given.values[section] = dict(given.values[section])
        name = values.pop(selector(section), self.names[section])
        place = given.place(path)
        try:
            name = self.fill_in(name) if isinstance(name, str) and "${" in name else name
        except UnknownComponent as error:
            self.problems.add(place or self.origin, path, str(error))
            return
        if not isinstance(name, str):
            what = f"must be a name, got {shown(name)}.{_hint(section, name, place)}"
            self.problems.add(place or self.origin, path, what)
        elif name != self.names[section]:
            self.names[section] = name
            self._forget_foreign_keys(section, name)
        if place is not None:
            self.merged.places[path] = place

    def _forget_foreign_keys(self, section: str, name: str) -> None:
        known = _keys_of(section, name)
        if known is not None:  # else it is said at the end, unless a later layer names another one
            self._forget(section, set(self.merged.values.get(section, {})) - set(known))

    def _forget(self, section: str, foreign: Collection[str | int]) -> None:
        inherited = self.merged.values.get(section, {})
        for key in [key for key in inherited if key in foreign]:
            del inherited[key]
            self.merged.drop((section, key))

    def _not_a_section(self, section: str, given: Layer) -> None:
        value, place = given.values.pop(section), given.place((section,))
        what = f"must be a name or a mapping with '{selector(section)}', got {shown(value)}."
        self.problems.add(place or self.origin, (section,), what + _hint(section, value, place))


def _keys_of(section: str, name: str) -> Mapping[str, Key] | None:
    """The keys of a component; None if there is none of that name."""
    try:
        return keys(component(section, name))
    except UnknownComponent:
        return None


def _takes(known: Mapping[str, Key], key: str | int, value: Any) -> bool:
    """Whether the keys have this one and, where it must be one of some words, allow this word."""
    found = known.get(str(key))
    return found is not None and (not found.allowed or value in found.allowed)


def component(section: str, name: str) -> type[Any]:
    """Returns the component class of a section by name.

    Raises:
        UnknownComponent: There is none, or it cannot be imported, or its fields cannot be scenario keys.
    """
    try:
        found = registry.find(CONTRACTS[section], name)
    except UnknownComponent:
        raise
    except (Exception, SystemExit) as error:  # importing a component runs code of its author
        what = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise UnknownComponent(f"'{name}' cannot be imported: {what}.") from error
    if not dataclasses.is_dataclass(found):
        raise UnknownComponent(f"'{name}' is not a dataclass, so it has no scenario keys. Decorate it.")
    try:
        keys(found), defaults(found)
    except Exception as error:
        what = str(error).partition("\n")[0]
        raise UnknownComponent(f"'{name}' has a field that cannot be a scenario key: {what}.") from error
    return found


def _hint(section: str, value: object, place: Place | None) -> str:
    """What may have been meant by something that is not a name."""
    if isinstance(value, bool) and place is not None and place.written not in ("", shown(value)):
        known = nearest(place.written, registry.names(CONTRACTS[section]))
        return f" YAML reads {place.written} as {shown(value)}." + (known or " Quote it if it is a name.")
    if value is None:
        return f" Write '{USUAL[section]}' for the usual one."
    return ""
