"""`fedsilo run` and `fedsilo resume`."""

import errno
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from tests.cli.conftest import SMALL, Shell

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import Budget
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.privacy.mechanisms.central import Central


def test_run_prints_nothing_but_its_result_as_json(finished: dict[str, Any]) -> None:
    assert [row["method"] for row in finished["rows"]] == ["chance", "zero_shot", "promptfl"]
    assert re.fullmatch(r"[0-9a-f]{64}", finished["sha256"])


def test_run_prints_a_table_and_where_everything_is(shell: Shell) -> None:
    done = shell("run", "small.yaml", "training.rounds=1", "name=again")
    assert "again: accuracy in %" in done.stdout
    assert all(word in done.stdout for word in ("chance", "zero_shot", "promptfl", "run: runs", "sha256"))
    assert done.stderr == ""


@pytest.mark.slow
def test_hashes_do_not_depend_on_the_hash_seed(shell: Shell, finished: dict[str, Any]) -> None:
    """The run that it is compared with has this process's hash seed, which is another one each time."""
    again = json.loads(shell.apart("run", "small.yaml", "--json", PYTHONHASHSEED="4242").stdout)
    assert again["sha256"] == finished["sha256"]


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ("training.optimizer.learning_rate=3e38", "Lower training.optimizer.learning_rate=3e+38."),
        ("training.optimizer={name: adam, learning_rate: 1e38}", "Lower training.optimizer.learning_rate=1e+38."),
    ],
)
def test_a_run_that_diverges_is_one_line_and_leaves_no_state(shell: Shell, change: str, remedy: str) -> None:
    words = ("run", "small.yaml", "--folder", "diverged", "--quiet", change)
    try:
        error = shell(*words, code=2).stderr
        assert re.fullmatch(r"client 0, round 0, exchange 0, stage 'train': [^\n]+\n", error)
        assert error.endswith(f"{remedy}\n")
        assert not list((shell.folder / "diverged" / "checkpoints").glob("*"))
        Image.new("RGB", (8, 8)).save(shell.folder / "black.png")
        refused = shell("predict", "diverged", "--client", "0", "black.png", code=2).stderr
        assert "has no prompts yet: no round has finished" in refused
    finally:
        shutil.rmtree(shell.folder / "diverged", ignore_errors=True)


def test_resuming_a_finished_run_shows_it_again(shell: Shell, finished: dict[str, Any]) -> None:
    assert shell.json("resume", finished["run"])["sha256"] == finished["sha256"]


def test_an_unwritable_root_stops_before_any_work(shell: Shell) -> None:
    (shell.folder / "file").write_text("")
    assert "tracking.root" in shell("run", "small.yaml", "tracking.root=file", code=2).stderr


def test_data_that_changed_under_a_run_are_refused_on_resume(shell: Shell, finished: dict[str, Any]) -> None:
    folder = shell.folder / finished["run"]
    copy = shell.folder / "runs" / "copy"
    subprocess.run(["cp", "-r", folder, copy], check=True)
    (copy / "result.json").unlink()
    text = (copy / "scenario.yaml").read_text()
    (copy / "scenario.yaml").write_text(text.replace("train_per_class_and_domain: 4", "train_per_class_and_domain: 5"))
    assert "data or partition differ from those the run began with" in shell("resume", "runs/copy", code=2).stderr
    (copy / "scenario.yaml").write_text(text.replace("pretrained: ''", "pretrained: random"))
    assert "backbone's weights differ from those" in shell("resume", "runs/copy", code=2).stderr
    (copy / "scenario.yaml").write_text(text.replace("learning_rate: 0.1", "learning_rate: 0.2"))
    assert "scenario's settings differ from those" in shell("resume", "runs/copy", code=2).stderr
    (copy / "scenario.yaml").write_text(text.replace("name: small", "name: moved").replace("root: runs", "root: other"))
    assert shell.json("resume", "runs/copy")["sha256"] == finished["sha256"]


def test_a_run_at_work_is_left_alone_by_a_second_process_and_stops_resumably_when_terminated(shell: Shell) -> None:
    words = ("run", "small.yaml", "training.rounds=100000", "tracking.root=long")
    first = subprocess.Popen(
        [sys.executable, "-m", "fedsilo", *words],
        cwd=shell.folder,
        env={**os.environ, **shell.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        folder = wait_for(lambda: next(shell.folder.glob("long/*/rounds.jsonl"), None)).parent
        run = str(folder.relative_to(shell.folder))
        done = shell("resume", run, code=2)
        assert re.fullmatch(
            rf"{run}: another process \(number {first.pid} on .*\) is running in it\. .*\n", done.stderr
        )
        assert first.poll() is None
        first.terminate()
        out, err = first.communicate()
    finally:
        first.kill()
    assert (first.returncode, out) == (143, "")
    assert err.splitlines()[1:] == [f"stopped. Continue with: fedsilo resume {run}"]
    assert "not finished" in shell("show", run).stdout


def wait_for(found: Callable[[], Path | None], seconds: float = 1200.0) -> Path:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path := found():
            return path
        time.sleep(0.05)
    raise AssertionError("waited in vain")


@pytest.mark.parametrize(
    "fails", ["scenario.yaml", "partition.json", "partition.png", "heterogeneity.json", "rounds.jsonl", "result.json"]
)
def test_a_disk_that_is_full_at_any_file_is_one_line_and_the_run_goes_on_later(
    shell: Shell, finished: dict[str, Any], monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    real = Path.open

    def full(self: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "r" not in mode and fails in self.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return real(self, mode, *rest, **named)

    root = f"full-{fails}"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        done = shell("run", "small.yaml", f"tracking.root={root}", code=2)
    assert "No space left on device" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    folders = [path for path in (shell.folder / root).iterdir() if (path / "scenario.yaml").exists()]
    if folders and (folders[0] / "data.json").exists():
        again = shell.json("resume", str(folders[0].relative_to(shell.folder)))
        assert again["sha256"] == finished["sha256"]


def test_an_infinite_epsilon_is_null_in_the_file_and_a_word_on_the_screen(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Central, "guarantee", lambda self, epsilon: Budget(math.inf, self.delta, guaranteed=True, unit="client")
    )
    words = ("privacy=central", "privacy.noise_multiplier=1")
    run = shell.json("run", "small.yaml", "name=bare", *words)["run"]
    text = (shell.folder / run / "result.json").read_text()
    assert "Infinity" not in text
    assert json.loads(text)["privacy"]["epsilon"] is None
    assert "privacy: epsilon infinite at delta 1e-05 per client" in shell("show", run).stdout


def test_the_first_environment_stays_and_those_of_resumptions_are_added(shell: Shell, finished: dict[str, Any]) -> None:
    copy = shell.folder / "twice"
    shutil.copytree(shell.folder / finished["run"], copy)
    first = json.loads((copy / "environment.json").read_text())
    for _ in range(2):
        (copy / "result.json").unlink()
        shell("resume", "twice")
    kept = json.loads((copy / "environment.json").read_text())
    resumed = kept.pop("resumed")
    assert kept == first
    assert [words["command"][1:] for words in resumed] == [["resume", "twice"]] * 2


def test_a_frozen_partition_may_have_clients_that_are_only_measured(shell: Shell, finished: dict[str, Any]) -> None:
    manifest = Manifest.read(shell.folder / finished["run"] / "partition.json")
    images = from_mapping({"data": manifest_data()}).data.load(0)
    shares = manifest.shares()
    shares[2] = replace(shares[2], train=shares[2].train[:0])
    freeze(images, shares, {"name": "unseen"}, 0).write(shell.folder / "unseen.json")
    words = ("partition=manifest", "partition.file=unseen.json", "name=unseen", "evaluation.references=[local]")
    done = shell.json("run", "small.yaml", *words)
    assert "without training images, only measured: client 2." in done["notices"]
    shown = shell("show", done["run"]).stdout
    assert "nan" not in shown
    empty = [replace(share, train=share.train[:0]) for share in shares]
    freeze(images, empty, {"name": "unseen"}, 0).write(shell.folder / "unseen.json")
    assert "no client has a training image" in shell("run", "small.yaml", *words, code=2).stderr


def manifest_data() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(SMALL)["data"]
    return found
