"""Scenario keys: dataclass fields with a meaning and with limits."""

from __future__ import annotations

from dataclasses import field
from typing import Any

DEFINES = "defines"
"""Metadata of a key whose default defines a recipe: the value of another method does not replace it."""


def key(default: Any, meaning: str, *allowed: str, within: str = "") -> Any:
    """Declares a scenario key. The reader of scenario files checks values against the limits.

    Args:
        default: The default value. A class or function is called for each instance (`dict`, a nested section).
        meaning: One line for `fedsilo describe`: what the key is, with its unit.
        *allowed: The words that are allowed, where the key is one of a fixed list of words.
        within: The range of a number, for example ">= 1", "> 0" or "in (0, 1]".

    Returns:
        A dataclass field.
    """
    metadata = {"help": meaning, "allowed": allowed, "within": within}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def slot(usual: str, meaning: str) -> Any:
    """Declares a key that names another component, as a section of a scenario does.

    Args:
        usual: Name of the component where the scenario names none; the field is None then in Python.
        meaning: One line for `fedsilo describe`.

    Returns:
        A dataclass field.
    """
    return field(default=None, metadata={"help": meaning, "usual": usual})
