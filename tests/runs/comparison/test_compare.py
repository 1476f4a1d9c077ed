"""Small serial comparisons: what is run, what is not repeated, and what a failure does."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.runs.comparison.small_comparison import SMALL

import fedsilo
from fedsilo.core.errors import RunError
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.run_entry import RunEntry
from fedsilo.runs.comparison.compare import SweepResult, compare_folders, compare_grid
from fedsilo.runs.comparison.sweep import Sweep

BREAKING = """\
import os
import signal
from dataclasses import dataclass
from fedsilo.core.config_fields import key
from fedsilo.methods.promptfl import PromptFL

@dataclass(frozen=True)
class Breaking(PromptFL):
    how: str = key("raise", "How it breaks.", "raise", "kill", "not")

    def train(self, work):
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "raise":
            raise ZeroDivisionError("on purpose")
        return super().train(work)
"""
MINE = "my_lab.breaking:Breaking"


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One feature cache for the module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "breaking.py").write_text(BREAKING)
    monkeypatch.syspath_prepend(str(tmp_path))
    return MINE


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """Two methods, two seeds."""
    return compare_grid(Sweep(SMALL, methods=("promptfl", "local"), seeds=(0, 1)), tmp_path_factory.mktemp("pair"))


@pytest.fixture
def own_pair(pair: SweepResult, tmp_path: Path) -> Path:
    """A copy of it to break."""
    shutil.copytree(pair.root, tmp_path / "copy")
    return tmp_path / "copy"


def runs_of(root: Path) -> list[Run]:
    return [Run(path) for path in sorted(root.iterdir()) if (path / "scenario.yaml").exists()]


def again(root: Path, **changes: Any) -> tuple[SweepResult, list[tuple[str, int, bool]]]:
    """The same comparison once more, and what was done for it."""
    ended: list[tuple[str, int, bool]] = []

    def tell(done: int, total: int, entry: RunEntry, before: bool) -> None:
        ended.append((entry.method, entry.seed, before))

    grid = Sweep(SMALL, changes, ("promptfl", "local"), (0, 1))
    return compare_grid(grid, root, callback=tell), ended


def test_rows_are_the_means_of_ordinary_runs(pair: SweepResult) -> None:
    runs = runs_of(pair.root)
    assert [run.folder.name.rsplit("-", 2)[0] for run in runs] == [
        "local-seed-0", "local-seed-1", "promptfl-seed-0", "promptfl-seed-1",
    ]  # fmt: skip
    assert [row.method for row in pair.standings.rows] == ["chance", "zero_shot", "promptfl", "local"]
    local = pair.standings.rows[-1]
    for measure in ("local_accuracy", "local_spread", "worst_accuracy", "neighbour_accuracy", "global_accuracy"):
        values = [run.result["rows"][-1][measure] for run in runs[:2]]
        assert local.mean[measure] == pytest.approx(sum(values) / 2)
    assert pair.standings.rows[0].mean["local_accuracy"] == pytest.approx(1 / 12)


def test_methods_have_the_same_partition_for_the_same_seed(pair: SweepResult) -> None:
    split = {(r.scenario.seed, r.manifest.split_sha256) for r in runs_of(pair.root)}
    assert len(split) == 2
    assert pair.standings.grounds == ("A",)


def test_what_has_finished_is_not_run_again_whatever_its_folder_is_called(own_pair: Path, pair: SweepResult) -> None:
    for number, run in enumerate(runs_of(own_pair)):
        run.folder.rename(own_pair / f"renamed-{number}")
    found, ended = again(own_pair)
    assert all(before for _, _, before in ended)
    assert len(ended) == len(runs_of(own_pair)) == 4
    assert found.standings.rows == pair.standings.rows


def test_only_what_is_missing_or_unfinished_is_run(own_pair: Path, pair: SweepResult) -> None:
    unfinished, gone = runs_of(own_pair)[1:3]
    hashes = [run.result["sha256"] for run in runs_of(own_pair)]
    (unfinished.folder / "result.json").unlink()
    shutil.rmtree(gone.folder)
    found, ended = again(own_pair)
    assert {(m, s) for m, s, before in ended if not before} == {("local", 1), ("promptfl", 0)}
    assert (unfinished.folder / "result.json").exists()
    assert len(runs_of(own_pair)) == 4
    assert sorted(run.result["sha256"] for run in runs_of(own_pair)) == sorted(hashes)
    assert found.standings.rows == pair.standings.rows


def test_a_run_of_another_scenario_with_the_same_name_is_not_taken_for_it(own_pair: Path, pair: SweepResult) -> None:
    found, ended = again(own_pair, **{"training.batch_size": 4})
    assert not any(before for _, _, before in ended)
    assert len(runs_of(own_pair)) == 8
    assert found.standings.rows[2:] != pair.standings.rows[2:]


def test_a_run_that_fails_does_not_stop_the_others_and_is_tried_again(breaking: str, tmp_path: Path) -> None:
    grid = Sweep(SMALL, {"method": {"how": "raise"}}, (breaking, "local"))
    for _ in range(2):
        found = compare_grid(grid, tmp_path / "runs").standings
        bad, good = found.rows[-2:]
        assert bad.seeds == ()
        assert bad.failed[0].startswith("client 0, stage 'train': ZeroDivisionError: on purpose")
        assert len(bad.failed[0].splitlines()) == 1
        assert good.seeds == (0,)
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_collected_runs_give_the_same_rows(pair: SweepResult) -> None:
    by_method = {row.method: row for row in pair.standings.rows}
    for paths in ([pair.root], [run.folder for run in runs_of(pair.root)], [pair.root, pair.root]):
        assert {row.method: row for row in compare_folders(paths).rows} == by_method


def test_unfinished_runs_in_a_folder_are_left_out_and_said(own_pair: Path) -> None:
    first = runs_of(own_pair)[0].folder
    (first / "result.json").unlink()
    (own_pair / "broken").mkdir()
    (own_pair / "broken" / "scenario.yaml").write_text("method: gone")
    found = compare_folders([own_pair])
    assert next(row for row in found.rows if row.method == "local").seeds == (1,)
    assert any(f"left out: {first} has not finished" in note for note in found.notes)
    assert any("broken cannot be read by this version" in note for note in found.notes)
    with pytest.raises(RunError, match="has not finished"):
        compare_folders([first])
    with pytest.raises(RunError, match="has no run"):
        compare_folders([first / "checkpoints"])


def test_partitions_that_differ_are_marked(pair: SweepResult, tmp_path: Path) -> None:
    other = compare_grid(Sweep(SMALL, {"partition.label.beta": 0.1}, ("local",)), tmp_path).root
    runs = [run.folder for run in runs_of(pair.root) if run.scenario.seed == 0]
    found = compare_folders([*runs, other])
    assert found.grounds == ("A", "B")
    assert found.varied == ("partition.label.beta",)
    assert [row.method for row in found.rows].count("zero_shot") == 2


def test_python_gives_a_table(pair: SweepResult, tmp_path: Path) -> None:
    frame = fedsilo.compare(SMALL, methods={"promptfl": {}, "local": {"training.local_epochs": 2}}, root=pair.root)
    assert list(frame["method"]) == ["chance", "zero_shot", "promptfl", "local"]
    assert frame["local_accuracy"].between(0, 1).all()
    assert any("local_epochs is 1 for promptfl; 2 for local" in note for note in frame.attrs["notes"])
    collected = fedsilo.compare(pair.root)
    assert len(collected) == 5
    assert "training.local_epochs" in collected
    assert list(fedsilo.compare([run.folder for run in runs_of(pair.root)[:2]])["method"])[-1] == "local"


@pytest.mark.slow
def test_runs_side_by_side_give_the_same_and_survive_one_that_is_killed(
    pair: SweepResult, breaking: str, tmp_path: Path
) -> None:
    grid = Sweep(SMALL, {"method": {"how": "kill"}}, ("promptfl", breaking, "local"), (1,))
    found = compare_grid(grid, tmp_path / "runs", jobs=2).standings
    promptfl, killed, local = found.rows[-3:]
    assert set(killed.failed) == {1}
    assert "its process was killed (signal 9). `fedsilo resume" in killed.failed[1]
    alone = compare_folders([run.folder for run in runs_of(pair.root) if run.scenario.seed == 1])
    before = {row.method: row for row in alone.rows}
    assert (promptfl.mean, local.mean) == (before["promptfl"].mean, before["local"].mean)


def test_less_than_one_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="jobs: must be at least 1, got 0"):
        compare_grid(Sweep(SMALL), tmp_path, jobs=0)
