"""Each client's headline metric over rounds."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from tests.report.conftest import Made
from tests.report.page.conftest import drawn, tree

from fedsilo.report.page.clients_section import MOST_SMALL


def test_each_client_has_a_curve_with_its_own_zero_shot_line(made: Made) -> None:
    smalls = [box for box in tree(drawn(made(3))).iter("div") if box.get("class") == "smalls"]
    figures = smalls[0].findall("figure")
    labels = [figure.find("svg").get("aria-label") for figure in figures]  # type: ignore[union-attr]
    assert labels == [
        "00 <y>: 53.0 %, zero-shot 40.0 %",
        "01 <y>, unseen: 53.0 %, zero-shot 40.0 %",
        "02 <y>: 53.0 %, zero-shot 40.0 %",
    ]
    assert all('class="level zero_shot"' in ElementTree.tostring(figure, "unicode") for figure in figures)


@pytest.mark.parametrize(("clients", "pictures"), [(MOST_SMALL, MOST_SMALL), (MOST_SMALL + 1, 0)])
def test_many_clients_are_rows_of_a_heat_map(clients: int, pictures: int, made: Made) -> None:
    html = drawn(made(clients, 2))
    assert len(re.findall(r"zero-shot 40\.\d %</title>", html)) == pictures
    assert ('class="pixels"' in html) == (pictures == 0)
