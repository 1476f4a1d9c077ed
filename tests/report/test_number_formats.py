"""Numbers, sizes and times are written with few figures and their unit."""

from __future__ import annotations

import pytest

from fedsilo.report.number_formats import (
    capitalize_first,
    format_bytes,
    format_number,
    format_seconds,
    list_numbers,
    pluralize,
)


@pytest.mark.parametrize(("value", "text"), [(0.01234, "0.0123"), (999.4, "999"), (1234.6, "1,235")])
def test_a_number_has_three_figures_or_is_whole(value: float, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(999, "999 B"), (81_900, "81.9 kB"), (1_500_000, "1.5 MB"), (1_234_000_000_000, "1,234 GB")]
)
def test_bytes_have_the_unit_that_fits(count: int, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(("value", "text"), [(1.654, "1.65 s"), (185, "3 min 5 s"), (7_260, "2 h 1 min")])
def test_times_are_seconds_minutes_or_hours(value: float, text: str) -> None:
    assert format_seconds(value) == text


def test_a_first_letter_becomes_a_capital_and_an_abbreviation_stays() -> None:
    assert capitalize_first("accuracy over rounds") == "Accuracy over rounds"
    assert capitalize_first("AUC in %") == "AUC in %"
    assert capitalize_first("") == ""


def test_one_thing_is_singular() -> None:
    assert (pluralize(1, "client"), pluralize(2, "client")) == ("1 client", "2 clients")


def test_numbers_as_words() -> None:
    assert [format_bytes(n) for n in (0, 999, 8216, 999_900, 3.4e9)] == [
        "0 B",
        "999 B",
        "8.22 kB",
        "1,000 kB",
        "3.4 GB",
    ]
    assert [format_seconds(n) for n in (0.5, 99, 125, 3725)] == ["0.5 s", "99 s", "2 min 5 s", "1 h 2 min"]
    assert [list_numbers(n) for n in ([], [3], [0, 1, 2], [0, 2])] == ["", "3", "0 to 2", "0, 2"]
    assert list_numbers([1, 3, 5], most=2) == "1, 3 and 1 more"
