"""Whether a JSON document has the shape that its readers count on: files are edited by hand, and copied about."""

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
        shape: What it is otherwise.
    """

    shape: Any


def faults(value: Any, shape: Any, at: str = "") -> Iterator[str]:
    """Yields what is not as it should be, one "where: what" each.

    Args:
        value: Decoded JSON.
        shape: A type or several; a mapping of the keys that must be there to their shapes; a list of the one shape that
            all items have; or a `Maybe`.
        at: Where the value is in the document, "" for the whole of it.
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
            yield from faults(value.get(key), inner, f"{at}.{key}" if at else key)
    elif isinstance(shape, list):
        for number, item in enumerate(value):
            yield from faults(item, shape[0], f"{at}[{number}]")
