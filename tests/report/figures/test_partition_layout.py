"""Lengths of a partition's figure, and texts that fit into it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure

from fedsilo.report.figures.partition_layout import Sheet, cut


def sheet(clients: int, classes: int, domains: int = 1, words: int = 0) -> Sheet:
    """The layout of so many columns; of a partition it reads nothing but the names of domains."""
    names = tuple(f"class {number}" for number in range(classes))
    columns: Any = SimpleNamespace(train=[0] * clients, names=names, word_names=names[:words])
    manifest: Any = SimpleNamespace(domains=tuple(f"domain {number}" for number in range(domains)))
    return Sheet.of(manifest, columns)


@pytest.mark.parametrize("clients", [1, 10, 100, 600])
@pytest.mark.parametrize("classes", [1, 10, 100, 1000])
def test_a_figure_of_any_partition_has_a_page_s_size_and_numbers_only_where_they_fit(
    clients: int, classes: int
) -> None:
    found = sheet(clients, classes)
    assert 6 <= found.columns <= 13
    assert 1.2 <= found.rows <= 10
    assert found.column * clients == pytest.approx(found.columns)
    assert found.row * classes == pytest.approx(found.rows)
    assert found.numbered == (clients <= 10)  # of 100 clients a column has 0.13 inches
    assert found.written == (clients <= 10 and classes <= 10)


def test_a_legend_has_all_domains_in_as_many_rows_as_it_needs() -> None:
    assert sheet(4, 4, domains=1).legend_columns == 0
    few, many = sheet(4, 4, domains=3), sheet(4, 4, domains=40)
    assert few.legend_columns == 3
    assert 1 < many.legend_columns < 40
    rows = -(-40 // many.legend_columns)
    assert many.top - few.top == pytest.approx(0.2 * (rows - 1))


def test_panels_lie_below_the_header_across_all_columns() -> None:
    found = sheet(4, 4, words=3)
    assert found.height - sheet(4, 4).height == pytest.approx(3 * 0.2 + found.gap)
    figure = Figure(figsize=(found.width, found.height))
    box = found.panel(figure, 0.5, found.bars).get_position()
    assert box.x0 * found.width == pytest.approx(found.left)
    assert box.width * found.width == pytest.approx(found.columns)
    assert (1 - box.y1) * found.height == pytest.approx(found.top + 0.5)
    assert box.height * found.height == pytest.approx(found.bars)


def test_a_long_name_ends_in_dots() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
