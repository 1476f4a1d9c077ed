"""Checks values against the declared types, ranges and words; strict, because a wrong guess costs a run.

OmegaConf would accept 3.0 for 3, true for 1 and 5 for "5". Here only two things are converted: a whole number where a
fraction may stand, and text that is a number in YAML's other spelling (1e-3).
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any

from fedsilo.config.interpolation import find_syntax_problem
from fedsilo.config.key_types import (
    alternatives,
    fixed_size,
    is_list,
    is_mapping,
    is_section,
    item_type,
    optional,
    phrase,
)
from fedsilo.config.layer_merging import METHOD, USUAL
from fedsilo.config.problems import KeyPath, Problems, SourcePlace, show_value, suggest_nearest
from fedsilo.config.schema import NAMED, PLAIN, Key, keys, selector

LARGEST = 2**63  # whole numbers travel as 64 bits

_FLOAT_FORM = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


class _RejectedError(Exception):
    """A wrong value. The message says why; an empty message means that this is reported already."""


class Checker:
    """Checks the given values, section by section.

    Args:
        problems: Gets what is wrong.
        places: Where each value was written.
        origin: The place of values that were written nowhere.
    """

    def __init__(self, problems: Problems, places: Mapping[KeyPath, SourcePlace], origin: SourcePlace) -> None:
        self._problems, self._places, self._origin = problems, places, origin
        self.resolved = False
        """Whether `${...}` was filled in; the characters are plain text afterwards."""

    def place(self, path: KeyPath) -> SourcePlace:
        """Finds where a value was written.

        Args:
            path: Key path of the value.

        Returns:
            Its place, or that of the nearest mapping around it.
        """
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return self._origin

    def complain(self, path: KeyPath, what: str) -> None:
        """Notes a problem.

        Args:
            path: Key path of the value.
            what: What is wrong.
        """
        self._problems.add(self.place(path), path, what)

    def section(self, cls: type[Any], given: object, path: KeyPath) -> dict[str | int, Any]:
        """Checks a section.

        Interpolations pass if they have the right form; their values are checked after they are filled in.

        Args:
            cls: The section's dataclass.
            given: What was written.
            path: Key path of the section.

        Returns:
            The sound values; the others are noted as problems.
        """
        if not isinstance(given, dict):
            known = [*([selector(path[-1])] if path in NAMED else []), *keys(cls)]
            self.complain(path, f"must be a mapping of keys, got {show_value(given)}. Known: {', '.join(known)}.")
            return {}
        sound = {}
        for name, value in given.items():
            if name not in keys(cls):
                self.complain((*path, name), f"unknown key.{_instead(name, path, cls)}")
                continue
            try:
                sound[name] = self._value(keys(cls)[name].type, value, (*path, name), keys(cls)[name])
            except _RejectedError as error:
                self._note((*path, name), error)
        return sound

    def _note(self, path: KeyPath, error: _RejectedError, which: str = "") -> None:
        if str(error):
            self.complain(path, which + str(error))

    def _value(self, hint: Any, value: Any, path: KeyPath, key: Key) -> Any:
        if value is None and optional(hint):
            return None
        choices = alternatives(hint)
        if len(choices) > 1:
            return self._any_of(choices, value, path, key)
        hint = choices[0]
        if is_section(hint):
            return self._nested(hint, value, path)
        if isinstance(value, str) and "${" in value and not self.resolved:
            return _interpolation(value)
        if value == "???":
            raise _RejectedError("must be given: ??? stands for what is missing.")
        if is_list(hint):
            return self._list(hint, value, path, key)
        if is_mapping(hint):
            return self._mapping(hint, value, path, key)
        return self._scalar(hint, value, path, key)

    def _nested(self, cls: type[Any], value: Any, path: KeyPath) -> dict[str | int, Any]:
        """A section inside another value, which a bare name or null may stand for; in a list it must be one."""
        bare = isinstance(value, str) and "name" in keys(cls)
        given = {"name": value} if bare else {} if value is None else value
        if not isinstance(given, dict) and isinstance(path[-1], int):
            raise _RejectedError(_no_mapping(cls, given, path))
        return self.section(cls, given, path)

    def _any_of(self, choices: tuple[Any, ...], value: Any, path: KeyPath, key: Key) -> Any:
        for choice in choices:
            if is_section(choice) and not isinstance(value, dict):
                continue
            try:
                return self._value(choice, value, path, key)
            except _RejectedError:
                continue
        raise _RejectedError(f"must be {key.expected if key.allowed else phrase(key.type)}, got {show_value(value)}.")

    def _list(self, hint: Any, value: Any, path: KeyPath, key: Key) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise _RejectedError(f"must be {phrase(hint)}, got {show_value(value)}. Write [a, b].")
        kinds = typing.get_args(hint) if fixed_size(hint) else [item_type(hint)] * len(value)
        if len(value) != len(kinds):
            raise _RejectedError(f"must be {phrase(hint)}, got {len(value)}: {show_value(value)}.")
        sound = []
        for i, (kind, item) in enumerate(zip(kinds, value, strict=True)):
            try:
                sound.append(self._value(kind, item, (*path, i), dataclasses.replace(key, type=kind)))
            except _RejectedError as error:
                self._note(path, error, f"item {i + 1} ")
        if len(sound) < len(value):
            raise _RejectedError
        return sound

    def _mapping(self, hint: Any, value: Any, path: KeyPath, key: Key) -> dict[str | int, Any]:
        if not isinstance(value, dict):
            raise _RejectedError(f"must be a mapping, got {show_value(value)}.")
        key_type, kind = (typing.get_args(hint) or (Any,))[0], item_type(hint)
        sound = {}
        for name, item in value.items():
            try:
                fitting = _mapping_key(key_type, name)
                sound[fitting] = self._value(kind, item, (*path, name), dataclasses.replace(key, type=kind))
            except _RejectedError as error:
                self._note((*path, name), error)
        return sound

    def _scalar(self, hint: Any, value: Any, path: KeyPath, key: Key) -> Any:
        check = {int: _whole_number, float: _number, bool: _truth, str: _text}.get(hint)
        if check is None:
            return value
        result = check(value)
        if result is None:
            raise _RejectedError(
                f"must be {key.expected}, got {show_value(value)}.{_why(hint, value, self.place(path))}"
            )
        if key.within and not isinstance(result, (bool, str)) and not key.within.holds(result):
            raise _RejectedError(f"must be {key.expected}, got {show_value(value)}.")
        if key.allowed and isinstance(result, str) and result not in key.allowed:
            raise _RejectedError(
                f"must be {key.expected}, got {show_value(value)}.{suggest_nearest(value, key.allowed)}"
            )
        return result


def _no_mapping(cls: type[Any], given: object, path: KeyPath) -> str:
    known = [*([selector(path[-1])] if path in NAMED else []), *keys(cls)]
    return f"must be a mapping of keys, got {show_value(given)}. Known: {', '.join(known)}."


def _instead(name: str | int, path: KeyPath, cls: type[Any]) -> str:
    """Suggests a key for an unknown one: the most similar, or the same key in a section, or all known ones."""
    known = list(keys(cls))
    if not path:
        inside = [f"{section}.{key}" for section, cls in PLAIN.items() for key in keys(cls) if key == name]
        known = [*known, "extends"]
        if inside:
            return f" Did you mean '{inside[0]}'?"
        if isinstance(name, str) and "." in name:
            return " Dotted keys are for the command line; in a file, write the section and its key below it."
    elif path in NAMED:
        known = [selector(path[-1]), *known]
        if name in ("name", "mode"):
            return f" Did you mean '{known[0]}'?"
        inner = {slot: keys(keys(cls)[slot].type) for slot in USUAL if path == (METHOD,) and slot in keys(cls)}
        both = [f"method.{slot}" for slot, has in inner.items() if name in has]
        if len(both) > 1:
            return f" {both[0]} and {both[1]} both have it. Write {both[0]}.{name} or {both[1]}.{name}."
        known += [key for has in inner.values() for key in has]
    return suggest_nearest(name, known) or f" Known: {', '.join(known)}."


def _interpolation(text: str) -> str:
    problem = find_syntax_problem(text)
    if problem:
        raise _RejectedError(problem)
    return text


def _mapping_key(kind: Any, name: str | int) -> str | int:
    if kind is int and isinstance(name, str):
        if not name.isascii() or not name.isdecimal():
            raise _RejectedError("the key must be a whole number.")
        return int(name)
    return str(name) if kind is str else name


def _whole_number(value: Any) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST
    return value if good else None


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _FLOAT_FORM.fullmatch(value):
        value = float(value)
    if isinstance(value, int) and _whole_number(value) is not None:
        return float(value)
    return value if isinstance(value, float) and math.isfinite(value) else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    good = isinstance(value, str) and not any(unicodedata.category(c) in ("Cc", "Cs") for c in value)
    return value if good else None


def _why(hint: Any, value: object, place: SourcePlace) -> str:
    """Explains how YAML read a value, where this is probably the mistake."""
    if isinstance(value, bool) and place.written not in ("", show_value(value)):
        quote = f' Quote it if the word is meant: "{place.written}".' if hint is str else ""
        return f" YAML reads {place.written} as {show_value(value)}.{quote}"
    if hint is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return f' Quote it: "{place.written or value}".'
    if hint is str and isinstance(value, str):
        return " It has a control character."
    if hint is int and isinstance(value, int) and abs(value) >= LARGEST:
        return " That is too large."
    if hint is int and isinstance(value, str) and value.isdecimal() and len(value) > len(str(LARGEST)):
        return " That is too large."  # Python reads no number of thousands of digits
    if hint is int and isinstance(value, str) and value.isdecimal():
        return " Write it without leading zeros." if place.written else " Write it without quotes."
    return ""
