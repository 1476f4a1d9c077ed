"""Tables of audits, from documents written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.report.terminal.conftest import text

from fedsilo.report.terminal.audit_table import audit_table, clients_audit_table

CLAIM = {"epsilon": 2.345, "unit": "example", "guaranteed": True}


def rates(success: float, auc: float, found: float) -> dict[str, float]:
    return {"success": success, "auc": auc, "tpr_at_low_fpr": found}


def document(claim: Any) -> dict[str, Any]:
    attack = {
        **{"attack": "likelihood ratio", "rates": rates(0.625, 0.7, 0.05)},
        **{"chance_low": rates(0.44, 0.43, 0.0), "chance_high": rates(0.56, 0.57, 0.03)},
        "epsilon": {"epsilon": 0.5, "most": 3.25},
    }
    counts = {"members": 12, "non_members": 13, "shadows": 4}
    return {"run": "[/r]", "view": "shared", "shuffled": True, **counts, "attacks": [attack], "claim": claim}


def last_row(shown: str) -> list[str]:
    return [part.strip() for part in [line for line in shown.splitlines() if "likelihood" in line][-1].split("│")[1:-1]]


@pytest.mark.parametrize(
    ("claim", "written"),
    [
        (None, "none"),
        (CLAIM, "2.35 per example"),
        ({**CLAIM, "guaranteed": False}, "2.35 per example, nominal"),
        ({**CLAIM, "epsilon": None}, "infinite per example"),
    ],
)
def test_an_attack_has_its_rates_in_percent_beside_chance_and_bound_beside_claim(claim: Any, written: str) -> None:
    shown = text(audit_table(document(claim)))
    rates = ["62.5 (44 to 56)", "70.0 (43 to 57)", "5.0 (0 to 3)"]
    assert last_row(shown) == ["likelihood ratio", *rates, "0.50", "3.25", written]
    said = "[/r]: membership inference, shared view, membership shuffled (12 members, 13 others, 4 shadow runs)"
    assert said in " ".join(shown.split())


def test_an_audit_of_clients_counts_right_coins_of_all_coins() -> None:
    counts = {"clients": 5, "shadows": 8, "coins": 40, "right": 30, "chance_low": 14, "chance_high": 26}
    bound = {"epsilon": {"epsilon": 0.25, "most": 2.0}, "claim": CLAIM}
    shown = text(clients_audit_table({"run": "r", "shuffled": False, **counts, **bound}))
    assert last_row(shown) == ["likelihood ratio", "75.0 (35 to 65)", "0.25", "2.00", "2.35 per example"]
    assert "(5 clients, 8 shadow runs)" in " ".join(shown.split())
    assert "tossed again" not in shown
