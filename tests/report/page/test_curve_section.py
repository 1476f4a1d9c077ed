"""The section of the curve, drawn from records made by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import Candidates
from fedsilo.report.page.curve_section import draw_task_curve
from fedsilo.report.page.page_data import MethodRecords, PageData

LINES = ({"round": 0, "x": "unseen", "y": "seen", "about": "S over U", "points": [[0.0, 1.0], [0.1, 0.0]], "best": 0},)
LAST = {
    "round": 4,
    "x": "unseen",
    "y": "seen",
    "about": "S over U",
    "points": [[0.0, 0.8], [0.5, 0.8], [0.5, 0.0]],
    "best": 1,
}
ROWS = [
    {"method": "chance", "local_auc": 0.01},
    {"method": "promptfl", "role": "method", "local_auc": 0.4, "selected_round": 2, "selected_local_auc": 0.375},
]


@pytest.fixture
def data() -> PageData:
    scenario = from_mapping({"task": "composition", "method": "promptfl"})
    measures = scenario.task.measured
    part = MethodRecords("promptfl", [{"round": 4}], (), (), (), (), None, measures, (*LINES, LAST))
    return PageData(Path("x"), scenario, "", "promptfl", {"promptfl": part}, {"rows": ROWS}, None, None, {}, {}, ())


def test_the_last_curve_is_drawn_with_its_best_point(data: PageData) -> None:
    html = str(draw_task_curve(data))
    (path,) = re.findall(r'<path d="([^"]+)"', html)
    assert path.count("L") == 2
    assert html.count("<circle") == 1
    assert "promptfl: unseen 50 %, seen 80 %" in html.replace(".0 %", " %")
    assert "may be predicted" not in html
    among = Candidates(("a", "b", "c"), {}, np.ones(3, dtype=bool), allowed=np.array([True, False, True]))
    assert "2 of 3 candidates may be predicted." in str(draw_task_curve(replace(data, candidates=among)))
    assert "S over U" in html


def test_the_table_has_all_metrics_of_all_methods_and_the_selected_round(data: PageData) -> None:
    html = str(draw_task_curve(data))
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)]
    assert rows[0] == ["metric", "chance", "chance, selected", "promptfl", "promptfl, selected"]
    assert rows[1] == ["AUC", "1.0", "", "40.0", "37.5"]
    assert len(rows) == 1 + len(data.measures.metrics)


def test_a_task_without_a_curve_has_no_section(data: PageData) -> None:
    part = replace(data.parts["promptfl"], curves=())
    assert draw_task_curve(replace(data, parts={"promptfl": part})) == ""
