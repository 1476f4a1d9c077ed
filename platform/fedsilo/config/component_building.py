"""Builds the objects of a scenario from checked values, and collects the problems that these objects report."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from fedsilo.config.key_types import alternatives, is_list, is_mapping, is_section, item_type
from fedsilo.config.problems import KeyPath, Problems
from fedsilo.config.schema import keys, original_class, slots
from fedsilo.config.value_checks import Checker


class Builder:
    """Builds sections from their checked values.

    Args:
        checker: Knows where each key was written.
        problems: Problems so far; a key with a known problem is not reported again.
    """

    def __init__(self, checker: Checker, problems: Problems) -> None:
        self._checker, self._problems = checker, problems

    def section(self, cls: type[Any], values: Mapping[Any, Any], path: KeyPath) -> Any:
        """Builds a section; keys without a value get their defaults.

        Args:
            cls: The section's dataclass.
            values: Checked values by key.
            path: Key path of the section.

        Returns:
            The section; None, with a problem noted, if it cannot be built.
        """
        missing = [key for name, key in keys(cls).items() if name not in values and key.default is dataclasses.MISSING]
        for key in missing:
            if not self._problems.about((*path, key.name)):
                self._checker.complain((*path, key.name), f"must be given: {key.expected}. {key.meaning}".strip())
        if missing:
            return None
        try:
            given = {name: self._value(keys(cls)[name].type, value, (*path, name)) for name, value in values.items()}
            given |= {name: keys(cls)[name].type() for name in slots(original_class(cls)) if given.get(name) is None}
            built = original_class(cls)(**given)
            found = built.problems() if hasattr(built, "problems") else []
        except Exception as error:  # the component's own code
            self._checker.complain(path, f"{type(error).__name__}: {' '.join(str(error).split())}")
            return None
        self.note(found, path)
        return built

    def note(self, lines: Iterable[str], path: KeyPath = ()) -> None:
        """Notes problems, except those of keys with a known problem.

        Args:
            lines: Lines "key: what is wrong".
            path: Key path that the keys are relative to.
        """
        for line in lines:
            written, _, what = line.partition(": ")
            parts: KeyPath = (*path, *(int(part) if part.isdecimal() else part for part in written.split(".")))
            if not what or " " in written:
                parts, what = path, line
            if parts == path or not self._problems.about(parts):
                self._checker.complain(parts, what)

    def _value(self, hint: Any, value: Any, path: KeyPath) -> Any:
        hint = _meant(hint, value)
        if is_section(hint):
            return self.section(hint, value, path) if isinstance(value, dict) else value
        if is_list(hint) and isinstance(value, (list, tuple)):
            items = [self._value(item_type(hint), item, (*path, i)) for i, item in enumerate(value)]
            return tuple(items) if typing.get_origin(hint) is tuple or hint is tuple else items
        if is_mapping(hint) and isinstance(value, dict):
            return {name: self._value(item_type(hint), item, (*path, name)) for name, item in value.items()}
        return value


def _meant(hint: Any, value: Any) -> Any:
    """Selects the alternative of a union that fits a checked value."""
    choices = alternatives(hint)
    if isinstance(value, dict):
        choices = tuple(choice for choice in choices if is_mapping(choice) or is_section(choice)) or choices
    elif isinstance(value, (list, tuple)):
        choices = tuple(choice for choice in choices if is_list(choice)) or choices
    return choices[0]
