"""Questions about the type of a scenario key, and its name in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import pytest

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


@dataclass(frozen=True)
class Named:
    name: str = ""


@dataclass(frozen=True)
class Plain:
    size: int = 0


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (bool, "true or false"),
        (Any, "anything"),
        (float | None, "a number or null"),
        (Optional[str], "text or null"),  # noqa: UP045 (a component of one's own may write it)
        (float | str, "a number or text"),
        (list[str], "a list of texts"),
        (tuple[float, float, float], "a list of 3 numbers"),
        (tuple[int, ...], "a list of whole numbers"),
        (tuple[int, str], "a list of 2 values"),
        (list, "a list of values"),
        (list[Named], "a list of names or mappings"),
        (list[Plain], "a list of mappings"),
        (dict[str, int], "a mapping"),
        (Plain, "a mapping"),
        (complex, "complex"),
    ],
)
def test_a_type_in_words(hint: Any, words: str) -> None:
    assert phrase(hint) == words


def test_the_alternatives_of_a_type_are_without_null() -> None:
    assert alternatives(int | str | None) == (int, str)
    assert alternatives(int) == (int,)
    assert [optional(hint) for hint in (int | None, None.__class__, Any, int, int | str)] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_lists_mappings_and_sections_are_told_apart() -> None:
    kinds = [list, tuple[int, ...], Sequence[int], dict[str, int], Mapping, Plain, Plain(), str]
    assert [is_list(kind) for kind in kinds] == [True, True, True, False, False, False, False, False]
    assert [is_mapping(kind) for kind in kinds] == [False, False, False, True, True, False, False, False]
    assert [is_section(kind) for kind in kinds] == [False, False, False, False, False, True, False, False]


@pytest.mark.parametrize(
    ("hint", "item", "fixed"),
    [
        (list[int], int, False),
        (tuple[int, ...], int, False),
        (tuple[float, float], float, True),
        (tuple[float, str], Any, True),
        (dict[str, Plain], Plain, False),
        (dict, Any, False),
        (tuple, Any, False),
    ],
)
def test_what_the_items_are_and_whether_their_number_is_fixed(hint: Any, item: Any, fixed: bool) -> None:
    assert item_type(hint) == item
    assert fixed_size(hint) is fixed
