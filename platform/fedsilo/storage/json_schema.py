"""The shape that readers expect of a JSON document, and a check of it: users edit and copy these files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NUMBER = (int, float)
NAMES = {
    str: "text",
    int: "a whole number",
    NUMBER: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


@dataclass(frozen=True, slots=True)
class Maybe:
    """A shape that may be null or missing.

    Attributes:
        shape: The shape of a value that is there.
    """

    shape: Any


def find_faults(value: Any, shape: Any, at: str = "") -> Iterator[str]:
    """Finds where a document differs from a shape.

    Args:
        value: Decoded JSON.
        shape: A type or several; a mapping from keys that must be there to their shapes; a list with the one shape of
            all
            items; or a `Maybe`.
        at: Where the value is in the document; "" for the whole document.

    Yields:
        A line "where: what" for each fault.
    """
    if isinstance(shape, Maybe):
        if value is None:
            return
        shape = shape.shape
    kind: Any = dict if isinstance(shape, Mapping) else list if isinstance(shape, list) else shape
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield f"{at} is missing" if value is None else f"{at or 'it'} must be {NAMES[kind]}"
    elif isinstance(shape, Mapping):
        for key, inner in shape.items():
            yield from find_faults(value.get(key), inner, f"{at}.{key}" if at else key)
    elif isinstance(shape, list):
        for number, item in enumerate(value):
            yield from find_faults(item, shape[0], f"{at}[{number}]")
