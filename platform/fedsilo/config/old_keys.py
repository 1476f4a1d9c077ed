"""Keys and names of earlier versions, which are read as those of today, so that old files and old runs stay readable.

Every source of a scenario passes `rename_old_keys` once, with one notice for each old key: a file, a file that it
extends, changes of the command line, a Python mapping. What follows knows the keys of today only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedsilo.config.problems import KeyPath, Problems, SourcePlace, join_path, show_value
from fedsilo.core.training_settings import FRESH, KEPT

Values = dict[str | int, Any]
Places = dict[KeyPath, SourcePlace]


@dataclass(frozen=True, slots=True)
class RenamedKey:
    """A key that has another name today.

    Attributes:
        old: Its key path in earlier versions.
        name: Its name today, in the same section.
        values: The word of today for true and for false; None where the values are the same.
    """

    old: KeyPath
    name: str
    values: Mapping[bool, str] | None = None

    @property
    def new(self) -> KeyPath:
        """Returns its key path today."""
        return (*self.old[:-1], self.name)

    @property
    def meaning(self) -> str:
        """Returns what the old key means, for editors."""
        pairs = ", ".join(f"{show_value(old)} is {new}" for old, new in (self.values or {}).items())
        return f"Old name of {self.name}" + (f": {pairs}." if pairs else ".")


RENAMED_KEYS = (
    RenamedKey(("pace",), "stragglers"),
    RenamedKey(("trace",), "availability"),
    RenamedKey(("training", "optimizer", "persistent"), "state", {True: KEPT, False: FRESH}),
)

RENAMED_COMPONENTS: dict[str, dict[str, str]] = {"aggregation": {"ring": "modular"}}
"""The name of today for each old name of a component, by section. All of these sections choose by the key `name`."""

RENAMED_SECTIONS = {str(key.old[0]): key.name for key in RENAMED_KEYS if len(key.old) == 1}
"""The name of today for each old name of a section."""

_REFERENCE = re.compile(rf"(?<!\\)(\$\{{\s*)({'|'.join(RENAMED_SECTIONS)})(?=[.}}])")
"""An interpolation of a key in a section with an old name: ${pace.deadline_s}."""


def rename_old_keys(values: Values, places: Places, origin: SourcePlace, problems: Problems) -> tuple[Values, Places]:
    """Replaces old keys of one source: `training.optimizer.persistent: true` becomes `state: kept`.

    Args:
        values: The values as they were written, nested.
        places: Where each value was written, by key path.
        origin: The source, for values without a place.
        problems: Gets a notice for each old key, and old keys with values that they never had.

    Returns:
        The values and their places, with the keys of today. Where the source has a key under both names, the new one.
    """
    renaming = _Renaming(values, dict(places), origin, problems)
    for key in RENAMED_KEYS:
        renaming.key(key)
    for section, names in RENAMED_COMPONENTS.items():
        renaming.component(section, names)
    return renaming.references(), renaming.places


def refuse_double_keys(values: Values, places: Places, origin: SourcePlace, problems: Problems) -> None:
    """Refuses a source that has a key under its old and its new name.

    Args:
        values: The values as they were written, nested.
        places: Where each value was written, by key path.
        origin: The source, for values without a place.
        problems: Gets what is wrong.
    """
    for key in RENAMED_KEYS:
        around = _mapping_at(values, key.old[:-1])
        if around is not None and {key.old[-1], key.name} <= around.keys():
            what = f"is the old name of '{join_path(key.new)}', which is there too. Leave out '{join_path(key.old)}'."
            problems.add(places.get(key.old, origin), key.old, what)


def restore_old_keys(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Gives sections and components the names of earlier versions, for hashes that must not depend on names.

    Args:
        mapping: Sections with all their keys, by the names of today.

    Returns:
        The same sections under their old names, where they had others.
    """
    before = {new: old for old, new in RENAMED_SECTIONS.items()}
    result = {before.get(section, section): value for section, value in mapping.items()}
    for section, names in RENAMED_COMPONENTS.items():
        for old, new in names.items():
            if section in result and result[section].get("name") == new:
                result[section] = {**result[section], "name": old}
    return result


class _Renaming:
    """The values and places of one source, while old keys are replaced."""

    def __init__(self, values: Values, places: Places, origin: SourcePlace, problems: Problems) -> None:
        self.values, self.places, self._origin, self._problems = values, places, origin, problems

    def key(self, key: RenamedKey) -> None:
        """Replaces one old key, if the source has it."""
        around = _mapping_at(self.values, key.old[:-1])
        if around is None or key.old[-1] not in around:
            return
        value, place = around[key.old[-1]], self._place(key.old)
        renamed = {key.name if name == key.old[-1] else name: item for name, item in around.items()}
        if key.name in around:  # refused by `refuse_double_keys`
            renamed = {name: item for name, item in around.items() if name != key.old[-1]}
        elif key.values is None:
            self._problems.notify(place, f"'{join_path(key.old)}' is now '{join_path(key.new)}'")
        elif isinstance(value, bool):
            old, new = f"{join_path(key.old)}: {show_value(value)}", f"{join_path(key.new)}: {key.values[value]}"
            self._problems.notify(place, f"'{old}' is now '{new}'")
            renamed[key.name] = key.values[value]
        else:
            known = " or ".join(map(str, key.values.values()))
            what = f"must be true or false, got {show_value(value)}. It is now '{join_path(key.new)}': write {known}."
            self._problems.add(place, key.old, what)
            del renamed[key.name]
        self.values = _replaced(self.values, key.old[:-1], renamed)
        self._move_places(key)

    def component(self, section: str, names: Mapping[str, str]) -> None:
        """Replaces the old name of a section's component, alone or as the key `name` of the section."""
        given = self.values.get(section)
        path: KeyPath = (section, "name") if isinstance(given, dict) else (section,)
        name = given.get("name") if isinstance(given, dict) else given
        if isinstance(name, str) and name in names:
            now = f"'{join_path(path)}: {name}' is now '{join_path(path)}: {names[name]}'"
            self._problems.notify(self._place(path), now)
            self.values = {
                **self.values,
                section: {**given, "name": names[name]} if isinstance(given, dict) else names[name],
            }

    def references(self) -> Values:
        """Returns the values, with interpolations that refer to the sections' names of today."""
        found = dict.fromkeys(_old_references(self.values))
        for section in found:
            self._problems.notify(self._origin, f"'${{{section}}}' is now '${{{RENAMED_SECTIONS[section]}}}'")
        return _with_new_references(self.values) if found else self.values

    def _place(self, path: KeyPath) -> SourcePlace:
        known = (path[:length] for length in range(len(path), 0, -1))
        return next((self.places[part] for part in known if part in self.places), self._origin)

    def _move_places(self, key: RenamedKey) -> None:
        """Gives the places of an old key to the new one, unless the source has both."""
        length = len(key.old)
        for path in [path for path in self.places if path[:length] == key.old]:
            self.places.setdefault((*key.new, *path[length:]), self.places.pop(path))


def _mapping_at(values: Values, path: KeyPath) -> Values | None:
    inside: Any = values
    for part in path:
        inside = inside.get(part) if isinstance(inside, dict) else None
    return inside if isinstance(inside, dict) else None


def _replaced(values: Values, path: KeyPath, inner: Values) -> Values:
    """Replaces the mapping at a key path; what is not on the path is shared with the original."""
    return {**values, path[0]: _replaced(values[path[0]], path[1:], inner)} if path else inner


def _old_references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (found[2] for found in _REFERENCE.finditer(value))
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _old_references(item)


def _with_new_references(value: Any) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: found[1] + RENAMED_SECTIONS[found[2]], value)
    if isinstance(value, dict):
        return {key: _with_new_references(item) for key, item in value.items()}
    return [_with_new_references(item) for item in value] if isinstance(value, list) else value
