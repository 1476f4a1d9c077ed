"""Faults that the page lists."""

from __future__ import annotations

from tests.report.conftest import Made
from tests.report.page.conftest import drawn, words


def test_clients_that_dropped_out_are_listed(made: Made) -> None:
    assert "3 promptfl 1, 2" in words(drawn(made(dropped=[1, 2])))
