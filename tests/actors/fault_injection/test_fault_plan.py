"""Plans of faults: odds, draws, and what a scenario cannot have. No Ray is started."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo_actors.fault_injection.fault_plan import FaultPlan, FaultPoint, check_faults, parse_odds, read_plan

ALL = [FaultPoint("kill client", "train", round, 0, client) for round in range(100) for client in range(20)]


CERTAIN = {"kill client": 1.0}


def struck(plan: FaultPlan) -> list[FaultPoint]:
    return [point for point in ALL if plan.is_due(point)]


def test_a_plan_is_a_function_of_its_seed_with_the_chance_that_was_asked_for() -> None:
    plan = FaultPlan(7, {"kill client": 0.1})
    assert struck(plan) == struck(FaultPlan(7, {"kill client": 0.1, "hang client": 1.0}))
    assert struck(plan) != struck(FaultPlan(8, {"kill client": 0.1}))
    assert 150 < len(struck(plan)) < 250  # of 2000: four standard deviations are 54
    assert set(struck(plan)) < set(struck(FaultPlan(7, {"kill client": 0.2})))
    assert struck(FaultPlan(7, {"kill client": 0.0})) == []
    assert len(struck(FaultPlan(7, CERTAIN))) == len(ALL)


def test_every_part_of_a_point_counts() -> None:
    point, plan = FaultPoint("kill client", "train", 1, 2, 3), FaultPlan(0, {"kill client": 0.5, "hang client": 0.5})
    changes: list[dict[str, Any]] = [
        {"kind": "hang client"}, {"stage": "save"}, {"round": 9}, {"exchange": 9}, {"client": 9},
    ]  # fmt: skip
    for change in changes:
        other = replace(point, **change)
        assert any(replace(plan, seed=s).is_due(point) != replace(plan, seed=s).is_due(other) for s in range(40)), (
            change
        )


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = FaultPlan(3, {"kill client": 0.25, "fill disk": 1.0}, 12.5)
    plan.write(tmp_path)
    assert read_plan(tmp_path) == plan
    (tmp_path / "chaos.json").write_text('{"seed": 1}')
    with pytest.raises(RunError, match="is no plan of faults"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("deed", "word", "said"),
    [
        ("kill", "clients:0.1", "there is no 'clients' to kill. There is: client, encoder, coordinator, driver, node."),
        ("damage", "client:0.1", "there is no 'client' to damage. There is: checkpoint."),
        ("kill", "client", "needs a chance from 0 to 1, as in client:0.1."),
        ("kill", "client:often", "needs a chance from 0 to 1"),
        ("hang", "client:1.5", "the chance must be from 0 to 1, got 1.5."),
        ("hang", "client:-0.1", "the chance must be from 0 to 1, got -0.1."),
        ("hang", "client:nan", "the chance must be from 0 to 1, got nan."),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(deed: str, word: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_odds({deed: [word]})
    assert str(caught.value).startswith(f"--{deed} {word}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert parse_odds({"kill": ["client:0.1", "node:1"], "fill": ["disk:0"]}) == {
        "kill client": 0.1, "kill node": 1.0, "fill disk": 0.0,
    }  # fmt: skip
    with pytest.raises(ScenarioError, match="is given twice") as caught:
        parse_odds({"kill": ["client:0.1", "client:0.2", "nothing:1"]})
    assert len(caught.value.problems) == 2
    with pytest.raises(ScenarioError, match="no fault is asked for"):
        parse_odds({"kill": []})


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        (["actors.backend=serial"], "kill client", "actors.backend: is serial"),
        (["actors.address=auto"], "kill node", "actors.address: faults are only for a Ray that this run starts itself"),
        (["aggregation=secure", "partition.clients=5"], "kill client", "its hashes differ by design"),
        ([], "hang client", "an actor that hangs is given up after 1800 s, an attempt has 600 s"),
        ([], "fill store", "actors.object_store_mb: must be from 80 to 1024 to be filled, got 0"),
    ],
)
def test_faults_that_a_scenario_cannot_have_are_one_line(
    tmp_path: Path, changes: list[str], kind: str, said: str
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("data: emblems\nmethod: promptfl\n")
    with pytest.raises(ScenarioError) as caught:
        check_faults({kind: 0.1}, read(file, changes), 600.0)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
