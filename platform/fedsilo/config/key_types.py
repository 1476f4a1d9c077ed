"""Types of scenario keys: questions about a type hint, and its name in words."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

_WORDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Any: "anything"}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Lists the alternatives of a type, without None.

    Args:
        hint: The type.

    Returns:
        The types of a union; the type itself where it is none.
    """
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(choice for choice in typing.get_args(hint) if choice is not type(None))
    return (hint,)


def optional(hint: Any) -> bool:
    """Checks whether null is a value of a type.

    Args:
        hint: The type.

    Returns:
        True if it is.
    """
    return hint in (Any, type(None)) or type(None) in typing.get_args(hint)


def is_section(hint: Any) -> TypeGuard[type[Any]]:
    """Checks whether a type is a dataclass: a mapping with known keys.

    Args:
        hint: The type.

    Returns:
        True if it is.
    """
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def is_list(hint: Any) -> bool:
    """Checks whether a type is written as a list.

    Args:
        hint: The type.

    Returns:
        True if it is.
    """
    return (typing.get_origin(hint) or hint) in (list, tuple, Sequence)


def fixed_size(hint: Any) -> bool:
    """Checks whether a type is a tuple with a fixed number of items.

    Args:
        hint: The type.

    Returns:
        True if it is.
    """
    arguments = typing.get_args(hint)
    return typing.get_origin(hint) is tuple and bool(arguments) and Ellipsis not in arguments


def is_mapping(hint: Any) -> bool:
    """Checks whether a type is written as a mapping with free keys.

    Args:
        hint: The type.

    Returns:
        True if it is.
    """
    return (typing.get_origin(hint) or hint) in (dict, Mapping)


def item_type(hint: Any) -> Any:
    """Finds the type of a list's items or a mapping's values.

    Args:
        hint: The type of the list or mapping.

    Returns:
        The type; Any where items differ.
    """
    arguments = [argument for argument in typing.get_args(hint) if argument is not Ellipsis]
    if is_mapping(hint):
        return arguments[1] if len(arguments) == 2 else Any
    return arguments[0] if arguments and len(set(arguments)) == 1 else Any


def phrase(hint: Any) -> str:
    """Writes a type in words.

    Args:
        hint: The type.

    Returns:
        For example "a list of text", "a number or null".
    """
    if len(alternatives(hint)) > 1 or (optional(hint) and hint is not Any):
        return " or ".join([*map(phrase, alternatives(hint)), *(["null"] if optional(hint) else [])])
    if is_list(hint):
        count = f"{len(typing.get_args(hint))} " if fixed_size(hint) else ""
        return f"a list of {count}{_many(item_type(hint))}"
    if is_mapping(hint) or is_section(hint):
        return "a mapping"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def _many(hint: Any) -> str:
    if is_section(hint):
        return "names or mappings" if any(field.name == "name" for field in dataclasses.fields(hint)) else "mappings"
    plural = {int: "whole numbers", float: "numbers", str: "texts", Any: "values"}
    return plural.get(hint, phrase(hint))
