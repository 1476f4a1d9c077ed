"""Tables of components, with names that rich takes for its marks."""

from __future__ import annotations

from tests.report.terminal.conftest import text

from fedsilo.report.results.comparison_rows import ComparisonRow, ComparisonRows
from fedsilo.report.terminal.comparison_table import comparison_table
from fedsilo.report.terminal.component_tables import listing_table
from fedsilo.tasks.classification import Classification


def test_names_of_methods_and_scenarios_may_be_what_rich_takes_for_its_marks() -> None:
    assert "pkg:[x] in [/y]" in text(listing_table("methods", [("pkg:[x] in [/y]", "[/z]")]))
    row = ComparisonRow("[/m]", {"a.b": "[/v]"}, "A", (0,), {}, {"local_accuracy": 0.5}, {})
    shown = text(comparison_table(ComparisonRows("[/t]", ("a.b",), (row,), Classification().measured)))
    assert all(name in shown for name in ("[/m]", "[/v]", "[/t]"))
