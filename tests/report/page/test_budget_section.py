"""What the page says of the privacy budget."""

from __future__ import annotations

import json

from tests.report.conftest import Made, lines
from tests.report.page.conftest import drawn, words


def test_a_budget_is_stated_with_its_curve_and_clients(made: Made) -> None:
    run = made(epsilon=2.0)
    expenses = [{"multiplier": 1.1, "rate": 0.25, "count": 7}]
    clients = {"0": {"epsilon": 2.0, "expenses": expenses}, "1": {"epsilon": None, "expenses": expenses}}
    guarantee = {
        **{"epsilon": 2.0, "delta": 1e-5, "guaranteed": False, "unit": "example", "note": "<n>", "counted": 2.0},
        **{"by_accountant": {"pld": 2.0, "rdp": None}, "clients": clients},
    }
    (run.folder / "privacy.json").write_text(json.dumps(guarantee))
    charge = {"round": 0, "exchange": 0, "attempt": 0, "clients": [0]}
    lines(run.folder / "ledger.jsonl", [charge, {**charge, "attempt": 1}])
    shown = words(drawn(run))
    assert "promptfl : a nominal epsilon of 2 at delta 1e-05 per example, 2 releases on record. <n>" in shown
    assert "multiplier 1.1, rate 0.25, count 7" in shown
    assert "Epsilon after each round" in shown
    assert "∞" in shown
    assert "releases made more than once in round 0" in shown
    assert "Nothing is promised" not in shown


def test_without_a_budget_nothing_is_promised(made: Made) -> None:
    shown = words(drawn(made()))
    assert "Nothing is promised, so nothing was charged." in shown
    assert "Nothing is clipped, no noise is added." in shown
    assert "Epsilon after" not in shown
