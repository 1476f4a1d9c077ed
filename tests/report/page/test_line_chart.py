"""Lines over rounds."""

from __future__ import annotations

import re

from fedsilo.report.page.line_chart import ChartLine, draw_curves


def test_a_gap_breaks_a_line() -> None:
    picture = draw_curves([ChartLine("m", [(0, 0.1), (1, 0.2), (2, None), (3, 0.3)])], [], "x", str)
    path = re.search(r'd="([^"]*)"', picture)
    assert path
    assert re.sub("[0-9. ]", "", path[1]) == "MLM"
    assert picture.count("<circle") == 3
