"""Records of a run, also damaged ones, as the page reads them."""

from __future__ import annotations

import pytest
from tests.report.conftest import Made
from tests.report.page.conftest import drawn, finish, words

from fedsilo.core.errors import ScenarioError


def test_damage_is_named_and_the_rest_is_shown(made: Made) -> None:
    run = finish(made())
    for name in ("partition.json", "environment.json", "result.json", "privacy.json"):
        (run.folder / name).write_text("{")
    shown = words(drawn(run))
    assert all(shown.count(f"{name}:") == 1 for name in ("environment.json", "result.json", "privacy.json"))
    assert "partition.json: damaged" in shown
    assert "Accuracy of each client" in shown


def test_a_scenario_that_is_none_is_refused(made: Made) -> None:
    run = made()
    (run.folder / "scenario.yaml").write_text("method: nothing")
    with pytest.raises(ScenarioError):
        drawn(run)
