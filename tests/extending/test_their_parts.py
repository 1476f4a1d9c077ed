"""A task, two learners and a strategy of somebody's own, one file each, run as ours are: serially and on Ray."""

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
import torch
from PIL import Image

import fedsilo
from fedsilo.backends.serial import SerialRuntime
from fedsilo.core import RoundRecord
from fedsilo.errors import ScenarioError
from fedsilo.results.reading import Run
from fedsilo.running import Listener, begin, go
from fedsilo.scenario.reading import from_mapping
from fedsilo.scenario.sections import Actors, Scenario
from fedsilo.training import local

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
    "actors": {"backend": "serial", "object_store_mb": 80, "start_timeout_s": 120, "retries": 1, "encoders": 1},
}  # fmt: skip
SHIFTED = {"method": {"learner": {"name": "their_lab.shifted:Shifted", "block": 2}}}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> Iterator[Path]:
    """A folder with the package in it, from where it can be imported."""
    shutil.copytree(Path(__file__).parent / "their_lab", tmp_path / "lab" / "their_lab")
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
    if part == "composed" and record.round == 0:
        raise Stopped


def test_a_network_on_pixels_is_resumed_and_undisturbed(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = carried_out(lab, "whole", scenario())
    assert whole.result["method"]
    with pytest.raises(Stopped):
        carried_out(lab, "parts", scenario(), listener=Listener(watch=stop))
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


def test_its_metric_is_in_every_record_and_its_keys_are_checked(lab: Path) -> None:
    run = carried_out(lab, "run", scenario(evaluation={"neighbours": "always"}))
    assert "local_reciprocal_rank" in run.rounds("composed")[-1]
    with pytest.raises(ScenarioError, match=r"part: .*got 2"):
        scenario(method={**SCENARIO["method"], "strategy": {"name": "their_lab.halfway:Halfway", "part": 2.0}})
