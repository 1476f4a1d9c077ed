"""Audits of a run that count as looks."""

from pathlib import Path

from fedsilo.runs.audit.repeated_audits import add_look


def test_an_audit_that_is_repeated_is_no_new_look(tmp_path: Path) -> None:
    look = {"unit": "client", "shadows": 4}
    assert [add_look(tmp_path, one) for one in (look, look, {**look, "shadows": 8}, look)] == [1, 1, 2, 2]
