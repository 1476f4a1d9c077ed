"""A learner, or a whole method, of one's own: one file in another package, named in a scenario file, run like any."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fedsilo
from fedsilo.config.scenario_reading import read
from fedsilo.core.registry import name_of
from fedsilo.report.results.finished_run import Run
from fedsilo.storage.run_folder import read_lines

LEARNER = '''\
"""One vector that is added to every class feature."""

from dataclasses import dataclass

import torch

from fedsilo.core import Learner
from fedsilo.core.config_fields import key


@dataclass(frozen=True)
class Shift(Learner):
    """A shift of all class features."""

    start: float = key(0.0, "Value of every coordinate at the start.", within="in [-1, 1]")

    def names(self):
        return ("shift",)

    def init(self, frozen, seed, client):
        return {"shift": torch.full_like(frozen.zero_shot, self.start, device="cpu")}

    def scores(self, params, buffers, inputs, frozen, *, training=False):
        return frozen.score(inputs["image"], frozen.zero_shot + params["shift"])
'''

METHOD = '''\
"""Clients send the mean of their images of each class; a method of its own from end to end."""

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize, one_hot

from fedsilo.core import LocalResult, Method
from fedsilo.core.config_fields import key


@dataclass(frozen=True)
class Means(Method):
    """Class features moved to the means of images."""

    weight: float = key(0.5, "Weight of the means beside the class texts.", within="in [0, 1]")

    uploads = ("means",)

    def initial_shared(self, model, seed):
        return {"means": torch.zeros_like(model.zero_shot, device="cpu")}

    def initial_private(self, model, seed, client):
        return {}

    def train(self, work):
        batch = work.everything()
        members = one_hot(batch.targets["class"], len(work.model.candidates)).float()
        sums = members.T @ normalize(batch.inputs["image"], dim=-1)
        means = sums / members.sum(dim=0).clamp(min=1)[:, None]
        return LocalResult({"means": means.cpu()}, {}, 0.25, 1)

    def predictor(self, model, shared, private):
        return lambda inputs: model.score(inputs["image"], model.zero_shot + self.weight * shared["means"])
'''

SCENARIO = """\
name: shifted
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2, label: {name: dirichlet, beta: 1.0}}
method: {learner: "our_lab.shift:Shift", strategy: fedavg, start: 0.01}
training: {rounds: 2, batch_size: 4, optimizer: {learning_rate: 0.01}}
evaluation: {references: [promptfl]}
actors: {backend: serial, start_timeout_s: 600, encoders: 1, object_store_mb: 100}
tracking: {root: runs}
"""
OWN_METHOD = SCENARIO.replace(
    '{learner: "our_lab.shift:Shift", strategy: fedavg, start: 0.01}', '{name: "our_lab.means:Means", weight: 0.25}'
)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> Path:
    """A folder with the package and a scenario in it, to work from."""
    (tmp_path / "our_lab").mkdir()
    (tmp_path / "our_lab" / "shift.py").write_text(LEARNER)
    (tmp_path / "our_lab" / "means.py").write_text(METHOD)
    (tmp_path / "shifted.yaml").write_text(SCENARIO)
    (tmp_path / "means.yaml").write_text(OWN_METHOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_learner_is_run_from_a_scenario_file_with_its_own_key_and_an_ordinary_reference(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(lab))
    run = fedsilo.run(lab / "shifted.yaml")
    method = read(run.folder / "scenario.yaml").method
    assert (method.learner.start, name_of(method.learner), name_of(method.strategy)) == (
        0.01,
        "our_lab.shift:Shift",
        "fedavg",
    )
    assert run.shared["shift"].shape[0] == 4
    assert 0 < float((run.shared["shift"] - 0.01).abs().max()) < 0.1
    assert {name for line in read_lines(run.folder / "wire.jsonl") for name in line["tensors"]} == {"shift"}


def test_a_method_of_one_s_own_is_run_from_a_scenario_file(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither learner nor strategy; the engine asks for `core.Method` and for nothing else."""
    monkeypatch.syspath_prepend(str(lab))
    run = fedsilo.run(lab / "means.yaml")
    assert list(run.results["method"]) == ["chance", "zero_shot", "promptfl", "our_lab.means:Means"]
    assert read(run.folder / "scenario.yaml").method.weight == 0.25
    assert [line["loss"] for line in read_lines(run.folder / "rounds.jsonl")] == [0.25, 0.25]
    assert float(run.shared["means"].norm(dim=1).max()) > 0.1
    with pytest.raises(fedsilo.core.errors.ScenarioError, match=r"method\.weight: .*in \[0, 1\].*got 3"):
        fedsilo.run(lab / "means.yaml", method={"weight": 3.0})


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"start": 2.0}, r"method\.(learner\.)?start: .*in \[-1, 1\].*got 2"),
        ({"star": 0.5}, r"method\.(learner\.)?star: .*'start'"),
        ({"learner": "our_lab.shift:Shitf"}, r"method\.learner(\.name)?: .*our_lab\.shift:Shitf.*Shitf"),
        ({"learner": "our_lab.means:Means"}, r"method\.learner(\.name)?: .*our_lab\.means:Means.* is not a Learner"),
        ({"strategy": "fedavgg"}, r"method\.strategy(\.name)?: .*'fedavgg'.*'fedavg'"),
        ({"strategy": "moon"}, r"method\.(strategy\.)?name: .*moon"),
    ],
)
def test_its_keys_are_checked_like_any_other_s(
    lab: Path, monkeypatch: pytest.MonkeyPatch, method: dict[str, object], message: str
) -> None:
    monkeypatch.syspath_prepend(str(lab))
    with pytest.raises(fedsilo.core.errors.ScenarioError, match=message):
        fedsilo.run(lab / "shifted.yaml", method=method)


@pytest.mark.ray
@pytest.mark.slow
def test_on_ray_it_gives_what_it_gives_serially(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own and its actors', which find the package by the usual search path only."""
    path = os.pathsep.join([str(lab), *(entry for entry in sys.path if entry)])
    monkeypatch.syspath_prepend(str(lab))
    serial = fedsilo.run(lab / "shifted.yaml")
    words = ["run", "shifted.yaml", "--json", "--folder", "ray", "actors.backend=ray"]
    done = subprocess.run(
        [sys.executable, "-m", "fedsilo", *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sha256"] == Run(lab / "ray").result["sha256"]
    assert Run(lab / "ray").result["hashes"] == serial.result["hashes"]
