"""The table of a comparison as text."""

import io

import pandas as pd
import pytest
from tests.report.conftest import Shelf

from fedsilo.report.results.comparison_rows import compare_entries
from fedsilo.report.terminal.comparison_table import to_csv, to_markdown


def test_csv_and_markdown_hold_the_table(run: Shelf) -> None:
    found = compare_entries("t", [run("local", 0, 0.5), run("local", 1, 0.7), run.failed("promptfl", 0, "a | b")])
    frame = pd.read_csv(io.StringIO(to_csv(found)))
    assert list(frame["method"]) == ["chance", "zero_shot", "local", "promptfl"]
    assert frame["local_accuracy"][2] == pytest.approx(0.6)
    assert frame["local_accuracy_std"][2] == pytest.approx(0.02**0.5)
    assert list(frame["seeds"])[2] == "0 1"
    lines = to_markdown(found).splitlines()
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: | ---: |"
    assert lines[4] == "| local | 60.0 ± 14.1 | 10.0 | 40.0 | 70.0 | 2 |"
    assert len(lines) == 6
