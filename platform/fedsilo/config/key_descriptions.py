"""Describes the keys of sections and components for people, from the dataclasses themselves."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from fedsilo.config.dumping import format_value
from fedsilo.config.key_types import is_list, is_section, item_type
from fedsilo.config.old_keys import RENAMED_COMPONENTS, RENAMED_SECTIONS
from fedsilo.config.problems import KeyPath, join_path, suggest_nearest
from fedsilo.config.scenario_paths import find_component
from fedsilo.config.schema import CONTRACTS, HEADING, NAMED, PLAIN, SECTIONS, SLOTS, USUAL, Key, keys, selector, slots
from fedsilo.config.sections import Heading
from fedsilo.core import registry
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.training_settings import LearningRateSchedule, Optimizer

INNER = {"optimizer": ("training.optimizer.", Optimizer), "schedule": ("training.schedule.", LearningRateSchedule)}
"""Parts of sections that `describe` accepts as kinds."""

_ALSO = {"dataset": "data", "mechanism": "privacy", "strategie": "strategy"}

_PATHS: dict[str, KeyPath] = {str(path[-1]): path for path in NAMED}
"""Key paths that name components, by their last key."""

_SLOTS = tuple(str(path[-1]) for path in SLOTS)


@dataclass(frozen=True, slots=True)
class Description:
    """The description of one key.

    Attributes:
        key: The key as on the command line, or the name of a component.
        type: Its type in words.
        default: The default as in a file; "" where the key must be given.
        allowed: The range or the allowed words; "" where the type says it all.
        meaning: What it is.
    """

    key: str
    type: str
    default: str
    allowed: str
    meaning: str


def kinds() -> list[str]:
    """Returns the names that `describe` accepts as kind."""
    return ["scenario", *SECTIONS, *_SLOTS, *INNER]


def describe(kind: str | None = None, name: str | None = None) -> list[Description]:
    """Describes the keys of one kind.

    Args:
        kind: "scenario" or None for the sections; a section for its keys; a section or slot that names a component
            (data, partition, label, feature, quantity, concept, method, privacy, aggregation) for its components, or
            with `name` for the keys of one. Plurals, the words of `fedsilo list` (datasets, mechanisms) and
            the names of earlier versions are accepted.
        name: A component's name, where the section names one.

    Returns:
        One row for each key or component.

    Raises:
        UnknownComponent: There is no such kind or name.
    """
    section = _section(kind or "scenario")
    if section in _PATHS:
        path = _PATHS[section]
        name = RENAMED_COMPONENTS.get(section, {}).get(name or "", name)
        return list(_components(path) if name is None else _component_rows(path, name))
    if name is not None:
        raise UnknownComponent(f"'{section}' has no names to choose from, so no '{name}'. Ask for '{section}' alone.")
    if section == "scenario":
        return list(_overview())
    prefix, cls = INNER.get(section) or (f"{section}.", PLAIN[section])
    return list(_rows(cls, prefix))


def describe_everything() -> Iterator[tuple[str, list[Description]]]:
    """Describes all sections, then every key of each section and of every component.

    Yields:
        Title and rows.
    """
    yield "scenario", describe()
    for section in (*SECTIONS, *_SLOTS):
        if section not in _PATHS:
            yield section, describe(section)
            continue
        for name in registry.names(NAMED[_PATHS[section]]):
            yield f"{section} {name}", describe(section, name)


def _section(kind: str) -> str:
    singular = kind if kind in kinds() else kind.removesuffix("s")
    section = _ALSO.get(singular, RENAMED_SECTIONS.get(singular, singular))
    if section not in kinds():
        hint = suggest_nearest(kind, [*kinds(), *_ALSO])
        raise UnknownComponent(f"no kind '{kind}' to describe.{hint} Available: {', '.join(kinds())}.")
    return section


def _overview() -> Iterator[Description]:
    for key in HEADING:
        yield _row(keys(Heading)[key], "")
    for section in SECTIONS:
        if section in CONTRACTS:
            known = ", ".join(registry.names(CONTRACTS[section]))
            yield Description(section, "name, or section", USUAL[section], known, _first_line(CONTRACTS[section]))
        else:
            yield Description(section, "section", "", "", _first_line(PLAIN[section]))


def _components(path: KeyPath) -> Iterator[Description]:
    kind = NAMED[path].kind
    for name in registry.names(NAMED[path]):
        try:
            cls = find_component(path, name)
            yield Description(name, kind, "", ", ".join(keys(cls)), _first_line(cls))
        except UnknownComponent as error:
            yield Description(name, kind, "", "", str(error))


def _component_rows(path: KeyPath, name: str) -> Iterator[Description]:
    cls = find_component(path, name)
    prefix = f"{join_path(path)}."
    yield Description(prefix + selector(path[-1]), "name", name, name, _first_line(cls))
    yield from _rows(cls, prefix)


def _rows(cls: type[Any], prefix: str) -> Iterator[Description]:
    for key in keys(cls).values():
        if key.usual:
            known = ", ".join(registry.names(slots(cls)[key.name]))
            yield Description(prefix + key.name, "name, or section", key.usual, known, key.meaning)
            continue
        if is_section(key.type):
            yield from _rows(key.type, f"{prefix}{key.name}.")
            continue
        yield _row(key, prefix)
        inner = item_type(key.type)
        if is_section(inner):
            stands_for = "number" if is_list(key.type) or get_args(key.type)[0] is int else "name"
            yield from _rows(inner, f"{prefix}{key.name}.<{stands_for}>.")


def _row(key: Key, prefix: str) -> Description:
    allowed = ", ".join([*([key.within.text] if key.within else []), *key.allowed])
    kind = "word" if key.allowed and key.within is None else dataclasses.replace(key, within=None).expected
    default = "" if key.default is dataclasses.MISSING else format_value(key.default)
    return Description(prefix + key.name, kind.removeprefix("a "), default, allowed, key.meaning)


def _first_line(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
