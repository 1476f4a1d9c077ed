"""A method of somebody's own: one file in a package of theirs, named in a scenario file, run like any other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fedsilo
from fedsilo.records import read_lines
from fedsilo.results.reading import Run
from fedsilo.scenario.reading import read

METHOD = '''\
"""Clients learn one vector that is added to every class feature."""

from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from fedsilo.fields import key
from fedsilo.learning.prompting import TrainedMethod


@dataclass(frozen=True)
class Shift(TrainedMethod):
    """A shared shift of all class features."""

    uploads = ("shift",)

    start: float = key(0.0, "Value of every coordinate at the start.", within="in [-1, 1]")

    def initial_shared(self, model, seed):
        return {"shift": torch.full_like(model.zero_shot, self.start, device="cpu")}

    def initial_private(self, model, seed, client):
        return {}

    def loss(self, work):
        model = work.model
        return lambda leaves, batch: cross_entropy(
            model.score(batch.pooled, model.zero_shot + leaves["shift"]), batch.labels
        )

    def predictor(self, model, shared, private):
        return lambda pooled, tokens: model.score(pooled, model.zero_shot + shared["shift"])
'''

SCENARIO = """\
name: shifted
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2, label: {name: dirichlet, beta: 1.0}}
method: {name: "my_lab.shift:Shift", start: 0.01}
training: {rounds: 2, batch_size: 4, optimizer: {learning_rate: 0.01}}
evaluation: {references: [promptfl]}
actors: {backend: serial, start_timeout_s: 600, encoders: 1, object_store_mb: 100}
tracking: {root: runs}
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> Path:
    """A folder with the package and a scenario in it, to work from."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "shift.py").write_text(METHOD)
    (tmp_path / "shifted.yaml").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_run_from_a_scenario_file_with_its_own_key_and_an_ordinary_reference(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(lab))
    run = fedsilo.run(lab / "shifted.yaml")
    assert list(run.results["method"]) == ["chance", "zero_shot", "promptfl", "my_lab.shift:Shift"]
    assert read(run.folder / "scenario.yaml").method.start == 0.01
    assert run.shared["shift"].shape[0] == 4
    assert 0 < float((run.shared["shift"] - 0.01).abs().max()) < 0.1
    assert {name for line in read_lines(run.folder / "wire.jsonl") for name in line["tensors"]} == {"shift"}


def test_its_keys_are_checked_like_any_other_s(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(lab))
    with pytest.raises(fedsilo.errors.ScenarioError, match=r"method\.start: .*got 2"):
        fedsilo.run(lab / "shifted.yaml", method={"start": 2.0})


@pytest.mark.ray
@pytest.mark.slow
def test_on_ray_it_gives_what_it_gives_serially(lab: Path) -> None:
    """In processes of their own, to which nobody says where the package is but the usual search path."""

    def go(backend: str) -> Run:
        path = os.pathsep.join([str(lab), *(entry for entry in sys.path if entry)])
        words = [sys.executable, "-m", "fedsilo", "run", "shifted.yaml", "--json", f"actors.backend={backend}"]
        done = subprocess.run(
            [*words, f"tracking.root={backend}"],
            env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (folder,) = (lab / backend).iterdir()
        assert json.loads(done.stdout)["sha256"] == Run(folder).result["sha256"]
        return Run(folder)

    assert go("ray").result["hashes"] == go("serial").result["hashes"]
