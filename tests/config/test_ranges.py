"""Ranges hold what their text says, ends included or not."""

from __future__ import annotations

import pytest

from fedsilo.config.ranges import parse_range


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">= 1", [1, 2.5, 1e300], [0.999, -1]),
        ("> 0", [5e-324, 1], [0, -0.0, -1]),
        ("<= 3", [3, -1e300], [3.0001]),
        ("< 3", [2.9], [3]),
        ("in (0, 1]", [0.001, 1], [0, 1.001]),
        ("in [0, 1)", [0, 0.999], [-0.001, 1]),
        ("in [2, 24]", [2, 24], [1, 25]),
        ("in (-1.5, 1e3)", [-1.4, 999], [-1.5, 1000]),
    ],
)
def test_a_range_holds_what_it_says(text: str, inside: list[float], outside: list[float]) -> None:
    within = parse_range(text)
    assert within.text == text
    assert all(within.holds(value) for value in inside)
    assert not any(within.holds(value) for value in outside)


@pytest.mark.parametrize("text", ["", "1", ">1", "in 0..1", "in [0 1]", ">= one"])
def test_a_text_that_is_no_range_is_the_component_author_s_mistake(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|float"):
        parse_range(text)
