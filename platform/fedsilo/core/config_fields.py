"""Scenario keys: a dataclass field that knows what it means."""

from __future__ import annotations

from dataclasses import field
from typing import Any

DEFINES = "defines"
"""Metadata of a key whose default is part of what a recipe is: another method's value does not replace it."""


def key(default: Any, meaning: str, *allowed: str, within: str = "") -> Any:
    """Returns a dataclass field with its meaning and what it may be; the scenario reader checks the latter.

    Args:
        default: The default value; a class or function makes it anew (`dict`, a nested section).
        meaning: One line for `fedsilo describe`: what it is, unit.
        allowed: The words it may be, when it is a word of a fixed list.
        within: The range of a number, for example ">= 1", "> 0" or "in (0, 1]".
    """
    metadata = {"help": meaning, "allowed": allowed, "within": within}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def slot(usual: str, meaning: str) -> Any:
    """Returns a dataclass field for a component inside a component, named in the scenario as one in a section is.

    Args:
        usual: The name of the component that stands there where the scenario names none; None in Python means the same.
        meaning: One line for `fedsilo describe`.
    """
    return field(default=None, metadata={"help": meaning, "usual": usual})
