"""Finds components by key path and name, and the keys of a component."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fedsilo.config.problems import KeyPath, join_path
from fedsilo.config.schema import NAMED, SLOTS, Key, assemble_class, defaults, keys, slots
from fedsilo.core import registry
from fedsilo.core.errors import UnknownComponent


def find_component(path: KeyPath, name: str) -> type[Any]:
    """Finds the component class of a section or slot.

    Args:
        path: Key path of the section or slot.
        name: The component's name.

    Returns:
        The class.

    Raises:
        UnknownComponent: There is none, or it cannot be imported, or its fields cannot be scenario keys.
    """
    try:
        found = registry.find(NAMED[path], name)
    except UnknownComponent as error:
        raise UnknownComponent(f"{error}{_elsewhere(path, name)}") from error
    except (Exception, SystemExit) as error:  # importing a component runs its author's code
        what = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise UnknownComponent(f"'{name}' cannot be imported: {what}.") from error
    if not dataclasses.is_dataclass(found):
        raise UnknownComponent(f"'{name}' is not a dataclass, so it has no scenario keys. Decorate it.")
    try:
        usual = {slot: find_component((*path, slot), keys(found)[slot].usual) for slot in slots(found)}
        defaults(assemble_class(found, usual))
    except Exception as error:
        what = str(error).partition("\n")[0]
        raise UnknownComponent(f"'{name}' has a field that cannot be a scenario key: {what}.") from error
    return found


def _elsewhere(path: KeyPath, name: str) -> str:
    """Says where a component of that name belongs, for example to a slot of the partition."""
    homes = [home for home in SLOTS if home[:-1] == path and name in registry.names(SLOTS[home])]
    return "".join(f" It is a {SLOTS[home].kind}: write {join_path(home)}: {name}." for home in homes)


def find_keys(section: KeyPath, name: str) -> Mapping[str, Key] | None:
    """Finds the keys of a component.

    Args:
        section: Key path of the section or slot.
        name: The component's name.

    Returns:
        Keys by name; None if there is no such component.
    """
    try:
        return keys(find_component(section, name))
    except UnknownComponent:
        return None


def accepts_value(known: Mapping[str, Key], key: str | int, value: Any) -> bool:
    """Checks whether a component has a key and, where it must be one of some words, accepts this word.

    Args:
        known: The component's keys.
        key: The key.
        value: Its value.

    Returns:
        True if it does.
    """
    found = known.get(str(key))
    return found is not None and (not found.allowed or value in found.allowed)
