"""A task, two learners and a strategy from outside, one file each, run as ours are: serially and on Ray."""

from __future__ import annotations

import contextlib
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from PIL import Image

from fedsilo.config.external_components import list_external_modules
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.config.sections import Actors, Scenario
from fedsilo.core import RoundRecord
from fedsilo.core.errors import ScenarioError
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import Audit
from fedsilo.runs.audit.image_audit import audit
from fedsilo.runs.run import RunCallbacks, begin, go
from fedsilo.storage.run_folder import read_json, read_lines
from fedsilo.training import local_training as local
from fedsilo_actors.fault_injection.fault_log import FaultLog, read_faults
from fedsilo_actors.fault_injection.fault_plan import FaultPlan, FaultPoint
from fedsilo_actors.fault_injection.faulty_actors import FaultyClientActor, with_faults
from fedsilo_actors.runtime import ray_runtime

SCENARIO: dict[str, Any] = {
    "name": "theirs",
    "data": {
        "classes": 4, "domains": ["sketch", "neon"], "train_per_class_and_domain": 4, "test_per_class_and_domain": 2,
    },
    "partition": {"clients": 2, "label": {"name": "dirichlet", "beta": 1.0}},
    "task": {"name": "their_lab.ranking:Ranking"},
    "method": {
        "learner": {"name": "their_lab.network:Network"},
        "strategy": {"name": "their_lab.halfway:Halfway", "part": 0.75},
    },
    "training": {"rounds": 2, "batch_size": 8, "views": 2, "optimizer": {"learning_rate": 0.05}},
    "actors": {"backend": "serial", "object_store_mb": 80, "start_timeout_s": 600, "retries": 1, "encoders": 1},
}  # fmt: skip
ONLINE = {"views": 0, "online": True}
SHIFTED = {"method": {"learner": {"name": "their_lab.shifted:Shifted", "block": 2}}}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> Iterator[Path]:
    """A folder with the package in it, from where it can be imported."""
    shutil.copytree(Path(__file__).parent / "their_lab", tmp_path / "lab" / "their_lab")
    (tmp_path / "lab" / "their_lab" / "__init__.py").touch()  # or it would be one package with the files copied
    monkeypatch.syspath_prepend(str(tmp_path / "lab"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_lab"]:
        del sys.modules[name]


def scenario(**changes: Any) -> Scenario:
    return from_mapping({**SCENARIO, **changes})


def hashes(run: Run) -> Any:
    return run.result["hashes"]


def carried_out(lab: Path, name: str, made: Scenario, **how: Any) -> Run:
    return go(begin(made, lab / name), **how)


class Stopped(Exception):
    """Stands for a killed process."""


def stop(part: str, record: RoundRecord) -> None:
    if part != "zero_shot" and record.round == 0:
        raise Stopped


def test_a_network_on_pixels_is_resumed_and_undisturbed(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = carried_out(lab, "whole", scenario())
    assert whole.result["method"]
    with pytest.raises(Stopped):
        carried_out(lab, "parts", scenario(), listener=RunCallbacks(watch=stop))
    assert hashes(go(lab / "parts")) == hashes(whole)

    differentiate, count = local.differentiate, [0]

    def disturbed(*given: Any) -> Any:
        count[0] += 1
        for disturb in (torch.manual_seed, np.random.seed, random.seed):
            disturb(count[0])
        return differentiate(*given)

    monkeypatch.setattr(local, "differentiate", disturbed)
    assert hashes(carried_out(lab, "disturbed", scenario())) == hashes(whole)
    assert count[0] > 2


def test_on_pixels_all_that_is_said_of_a_run_is_there_or_refused_in_one_line(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metric, neighbours, prediction, heterogeneity; new classes, batch norms under privacy of examples."""
    encoded: list[int] = []
    encode = ImageEncoder.encode
    monkeypatch.setattr(
        ImageEncoder, "encode", lambda self, images, *how: (encoded.append(len(images)), encode(self, images, *how))[1]
    )
    run = carried_out(lab, "run", scenario(evaluation={"neighbours": "always"}))
    record = run.result["rows"]
    assert sum(encoded) == 16, "test images only, for the zero-shot row; no training image"
    assert any("reciprocal_rank" in name for row in record for name in row)
    assert all(0 < score["neighbour_reciprocal_rank"] <= 1 for score in read_lines(run.folder / "clients.jsonl"))
    (note,) = [line for line in read_json(run.folder / "heterogeneity.json")["notes"] if "image features" in line]
    assert "`fedsilo partition`" in note
    table = run.predict(0, [Image.new("RGB", (50, 40), color) for color in ("red", "white")])
    assert table.filter(like="p(").sum(axis=1).to_numpy() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"partition": {"clients": 2, "label": "dirichlet", "unseen": {"classes": 0.5}}},
            "learns per-class parameters",
        ),
        ({"privacy": {"mode": "local", "unit": "example", "noise_multiplier": 1.0}}, "1, 4.*GroupNorm or frozen stat"),
        ({"method": {**SCENARIO["method"], "strategy": {"name": "their_lab.halfway:Halfway", "part": 2.0}}}, "part: "),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(lab: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words) as caught:
        scenario(**changes)
    (line,) = caught.value.problems
    assert "\n" not in line
    assert "class_specific" not in line, "which the learner does not have"


@pytest.mark.slow
def test_group_norms_are_private_by_example_and_a_run_on_pixels_is_audited(lab: Path) -> None:
    method = {**SCENARIO["method"], "learner": {"name": "their_lab.network:Network", "norm": "group"}}
    private = scenario(method=method, privacy={"mode": "local", "unit": "example", "noise_multiplier": 1.0})
    run = carried_out(lab, "private", private)
    assert run.result["privacy"]
    document = audit(carried_out(lab, "run", scenario(method=method)).folder, Audit(shadows=Audit.least))
    assert document["attacks"]


@dataclass(frozen=True)
class Killed(FaultPlan):
    """One client dies when it has trained in round 1."""

    def is_due(self, point: FaultPoint) -> bool:
        return point == FaultPoint("kill client", "train", 1, client=0)


@pytest.mark.ray
@pytest.mark.slow
def test_on_ray_both_learners_give_the_serial_bits_and_survive_a_killed_client(lab: Path) -> None:
    sections = [scenario(), scenario(**SHIFTED, training={**SCENARIO["training"], **ONLINE})]
    serial = [hashes(carried_out(lab, f"serial-{n}", made)) for n, made in enumerate(sections)]
    cached = hashes(carried_out(lab, "cached", scenario(**SHIFTED)))
    assert serial[0] != serial[1] == cached, "views drawn online are, in the first rounds, those that are cached"
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[attr-defined]
    actors = Actors(object_store_mb=80, start_timeout_s=600, retries=1, encoders=1)
    with ray_runtime(actors, code=list_external_modules(sections[0])) as runtime:
        found = []
        for number, made in enumerate(sections):
            folder = begin(replace(made, actors=actors), lab / f"ray-{number}")
            runtime.host = with_faults(FaultyClientActor, FaultLog(folder, Killed(0, {})))
            found.append(hashes(go(folder, runtimes=lambda made: contextlib.nullcontext(runtime))))
            assert [line["kind"] for line in read_faults(folder)] == ["kill client"]
    assert found == serial
