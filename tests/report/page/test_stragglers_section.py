"""Simulated time, late clients and offline clients."""

from __future__ import annotations

from typing import Any

import pytest
from tests.report.conftest import Made
from tests.report.page.conftest import drawn, words

PACED = {"clock_s": 12.5, "simulated_s": 2.5, "late": [0], "offline": [1, 2], "staleness": [0, 3]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        (PACED, "promptfl: 12.5 simulated seconds; 4 times a client was late or not needed, 8 times offline; 0 rounds"),
        (PACED, "2 12.5 2.5 0 to 2 0 1, 2 0, 3"),
        ({**PACED, "participants": []}, "4 rounds without an update"),
    ],
)
def test_simulated_time_is_shown_where_there_is_any(changes: dict[str, Any], expected: str, made: Made) -> None:
    shown = words(drawn(made(**changes)))
    assert expected in shown
    assert ("Simulated time" in shown) == bool(expected)
