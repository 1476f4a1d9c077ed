"""Seconds of rounds and the slowest clients."""

from __future__ import annotations

from tests.report.conftest import Made
from tests.report.page.conftest import drawn, words


def test_the_slowest_client_of_a_round_is_shown_where_it_is_recorded(made: Made) -> None:
    run = made(slowest={"client": 1, "seconds": 2.5, "median": 0.5})
    assert "client 01" in words(drawn(run))
    assert "half of the clients up to" in words(drawn(run))
    (run.folder / "rounds.jsonl").unlink()
    assert "Slowest clients" not in words(drawn(run))
