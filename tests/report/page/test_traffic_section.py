"""Bytes that the page counts."""

from __future__ import annotations

from tests.report.conftest import Made
from tests.report.page.conftest import drawn, words


def test_bytes_are_those_of_the_records(made: Made) -> None:
    shown = words(drawn(made(clients=5, rounds=4)))
    assert "2 kB uploaded" in shown  # 4 rounds of 5 clients with 100 bytes each
    assert "promptfl 2 kB 1 kB 500 B 100 B 4" in shown
    assert "message: keys 50 B 20 1 kB" in shown
