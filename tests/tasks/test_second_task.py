"""The examples of docs/extending.md: a learner, a strategy, and a task whose metrics name all tables and readings."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

import fedsilo
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import ClientScore, RoundRecord
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo.core.metrics import Metric
from fedsilo.report.page.document import draw_page
from fedsilo.report.page.page_data import read_page_data
from fedsilo.report.results.comparison_rows import compare_entries
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.progress_overview import read_overview
from fedsilo.report.results.run_entry import RunEntry
from fedsilo.report.terminal.comparison_table import comparison_table, to_document
from fedsilo.report.terminal.overview_table import overview_table, progress_line
from fedsilo.report.terminal.run_tables import clients_table, results_legend, results_table, rounds_table
from fedsilo.simulation.chance_floor import Floor
from fedsilo.simulation.evaluation import score_line
from fedsilo.storage.run_folder import read_lines
from fedsilo_actors.monitoring import logs
from fedsilo_actors.monitoring.metric_readings import RoundContext, read_round, read_scores

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
COMBINED = "my_lab.shift:Shift+my_lab.damped:Damped"
FILES = dict(re.findall(r"`my_lab/(\w+\.py)`\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
SCENARIO = re.findall(r"```yaml\n(name: .*?)```", PAGE.read_text(), re.DOTALL)[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("ranked")
    (folder / "my_lab").mkdir()
    for name, text in FILES.items():
        (folder / "my_lab" / name).write_text(text)
    (folder / "ranked.yaml").write_text(SCENARIO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(folder / "cache"))
        patch.syspath_prepend(str(folder))
        yield fedsilo.run(folder / "ranked.yaml", **{"tracking.root": str(folder / "runs")})


def shown(what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(what)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def newest(run: Run) -> dict[str, float]:
    return read_lines(run.folder / "rounds.jsonl")[-1]


def test_records_have_the_task_s_metrics_and_no_other(run: Run) -> None:
    record, client = newest(run), read_lines(run.folder / "clients.jsonl")[-1]
    for name in ("local_rank", "worst_rank", "rank", "neighbour_rank", "global_rank", "local_top_two", "top_two"):
        assert isinstance(record[name], float), name
    assert record["unseen_rank"] is None
    assert 1 <= record["local_rank"] <= record["worst_rank"] <= 5  # the worst client has the largest
    assert client["rank"] == client["positions"] / client["examples"]
    assert client["top_two"] == client["found"] / client["examples"]
    assert not [path for path in run.folder.rglob("*.json*") if "accuracy" in path.read_text()]


def test_the_result_says_what_was_measured_and_its_best_is_the_lowest(run: Run) -> None:
    result = run.result
    records = read_lines(run.folder / "rounds.jsonl")
    assert [metric["name"] for metric in result["metrics"]] == ["rank", "top_two"]
    assert result["headline"]["measure"] == "local_rank"
    chance, zero_shot, own = result["rows"]
    assert (chance["local_rank"], chance["local_top_two"]) == (3.0, 0.4)
    assert own["best_local_rank"] == min(record["local_rank"] for record in records)
    assert own["local_rank"] == pytest.approx(sum(record["local_rank"] for record in records) / 3)
    assert zero_shot["local_top_two"] is not None


def test_tables_write_a_number_as_a_number_and_a_ratio_in_per_cent(run: Run) -> None:
    own, record = run.result["rows"][-1], newest(run)
    table = shown(results_table(run.result))
    assert "ranked: rank (mean over the last 3 evaluated rounds)" in table
    for title in ("local", "spread", "worst", "neighbours", "global", "top two"):
        assert title in table
    assert f"{own['local_rank']:.4g}" in table
    assert f"{100 * own['local_top_two']:.1f}" in table
    assert "top two: Share of the images whose class is among the first two." in results_legend(run.result)
    assert f"{record['local_rank']:.4g}" in shown(rounds_table(run))
    assert "rank" in shown(clients_table(run))


def test_a_comparison_is_titled_by_the_metric(run: Run) -> None:
    found = compare_entries("t", [RunEntry(run.scenario, run.folder)])
    table = shown(comparison_table(found))
    assert "t: rank" in table
    assert "top two" in table
    assert f"{run.result['rows'][-1]['local_rank']:.4g}" in table
    assert "mean over clients of the rank on their own test images" in to_document(found)
    assert {"local_rank", "local_rank_std", "local_top_two"} <= set(found.frame.columns)


def test_runs_of_two_tasks_are_not_compared(run: Run) -> None:
    other = RunEntry(from_mapping({"method": "promptfl"}), None, "never began")
    with pytest.raises(RunError, match="accuracy and rank"):
        compare_entries("t", [RunEntry(run.scenario, run.folder), other])


def test_the_page_is_of_the_metric(run: Run) -> None:
    html = draw_page(read_page_data(run))
    assert html == (run.folder / "report.html").read_text()
    for words in (
        "Rank over rounds",
        "Rank of each client",
        f"local rank, {COMBINED}",
        "Local top two, mean over clients",
    ):
        assert words in html
    assert f"{COMBINED} {newest(run)['local_rank']:.3g}." in html  # where the curve ends, without per cent
    assert "accuracy" not in html
    assert "damaged" not in html


def test_top_has_the_metric(run: Run) -> None:
    overview, local = read_overview(run), newest(run)["local_rank"]
    table = shown(overview_table(overview))
    assert f"{local:.4g} " in table
    assert "%" not in table
    assert f"local {local:.4g}" in progress_line(overview)
    assert overview.chance == 3.0


def test_prometheus_and_log_lines_name_the_metric(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task = run.scenario.task
    record = RoundRecord(2, (0, 1), 0.5, {"local_rank": 1.25, "worst_rank": 1.5, "local_top_two": 0.75})
    floor = Floor(task.measured, {"rank": 3.0, "top_two": 0.4})
    score = ClientScore(1, {"positions": 5, "found": 3, "examples": 4})
    around = RoundContext("r", COMBINED, 3, task.measured, floor.headline, 1.5)
    readings = [
        *read_round(record, around),
        *read_scores([score], task, "r", COMBINED, {}),
    ]
    values = {reading.metric.name: reading.value for reading in readings}
    assert values["fedsilo_local_rank"] == 1.25
    assert values["fedsilo_local_top_two_ratio"] == 0.75
    assert values["fedsilo_chance_rank"] == 3.0
    assert values["fedsilo_client_rank"] == 1.25
    assert not [name for name in values if "accuracy" in name]
    monkeypatch.setattr(logs.LOG, "propagate", True)
    with caplog.at_level("INFO", "fedsilo"):
        logs.log_round(COMBINED, record, task.measured, 3)
        logs.log_scores(2, [score], task, {})
    assert "local rank 1.25," in caplog.messages[0]
    assert caplog.messages[1].endswith(", rank 1.25")


def test_the_files_of_the_page_are_all_used(run: Run) -> None:
    method = run.scenario.method
    assert sorted(FILES) == ["damped.py", "damped_shift.py", "ranking.py", "shift.py"]
    assert (type(method.learner).__name__, method.learner.start) == ("Shift", 0.01)  # type: ignore[attr-defined]
    assert (type(method.strategy).__name__, method.strategy.part) == ("Damped", 0.75)  # type: ignore[attr-defined]
    assert run.result["hashes"][COMBINED]["shared"] != run.result["hashes"]["zero_shot"]["shared"]
    recipe = from_mapping({"method": {"name": "my_lab.damped_shift:DampedShift", "start": 0.1}}).method
    assert (recipe.learner.start, recipe.strategy.part) == (0.1, 0.25)  # type: ignore[attr-defined]


def test_a_client_without_test_images_has_no_metric(run: Run) -> None:
    line = score_line(ClientScore(0, {"positions": 0, "found": 0, "examples": 0}), run.scenario.task)
    assert line == {"client": 0, "positions": 0, "found": 0, "examples": 0, "rank": None, "top_two": None}


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("loss",), "'loss' would be recorded for two things"),  # the training loss of rounds.jsonl
        (("new_rank", "rank"), "'new_rank' would be recorded for two things"),
        (("h-mean",), "lower-case letters"),
    ],
)
def test_metrics_whose_names_collide_are_one_line(
    names: tuple[str, ...], why: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(run.scenario.task), "metrics", tuple(map(Metric, names)))
    with pytest.raises(ScenarioError, match=why):
        from_mapping({"task": "my_lab.ranking:Ranking"})


def test_taken_names_are_those_of_records() -> None:
    from dataclasses import fields

    from fedsilo.core.metrics import TAKEN

    assert {field.name for field in fields(RoundRecord)} - {"metrics"} <= TAKEN


def test_only_tasks_spell_their_metrics() -> None:
    import ast

    root = Path(fedsilo.__file__).resolve().parent
    spelled = []
    for folder in (root, root.parent.parent / "actors" / "fedsilo_actors"):
        for path in sorted(folder.rglob("*.py")):
            tree = ast.parse(path.read_text())
            prose = {
                id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
            }  # docstrings, of modules and of constants
            spelled += [
                f"{path.relative_to(folder)}:{node.lineno}"
                for node in ast.walk(tree)
                if isinstance(node, (ast.Constant, ast.Name, ast.Attribute, ast.keyword, ast.arg))
                and id(node) not in prose
                and "accuracy" in word(node)
                and path.parent != root / "tasks"
            ]
    assert spelled == []


def word(node: object) -> str:
    return (
        str(getattr(node, "value", ""))
        + str(getattr(node, "id", ""))
        + str(getattr(node, "attr", ""))
        + str(getattr(node, "arg", ""))
    )
