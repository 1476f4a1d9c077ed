"""A small finished run to audit, and observations with known membership."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsilo
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import Audit
from fedsilo.runs.audit.audited_images import Population
from fedsilo.runs.audit.image_audit import audit
from fedsilo.runs.audit.model_scores import Observation

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {
        "classes": 8,
        "domains": ["sketch", "mosaic"],
        "train_per_class_and_domain": 3,
        "test_per_class_and_domain": 2,
    },
    "partition": {"feature": "domains"},
    "method": {"name": "promptfl", "context_length": 1},
    "training": {"rounds": 1, "batch_size": 5, "optimizer": {"learning_rate": 0.1}},
    "actors": {"backend": "serial"},
}


@pytest.fixture(scope="session")
def audit_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit-cache")


@pytest.fixture(autouse=True)
def _cache(audit_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSILO_CACHE", str(audit_cache))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, audit_cache: Path) -> Iterator[Run]:
    """A finished run that no test may change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(audit_cache))
        yield fedsilo.run(SMALL, tracking={"root": str(tmp_path_factory.mktemp("small"))})


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Trains attack models for fewer steps and permutes membership less often; what they find is not looked at."""
    patch.setattr("fedsilo.runs.audit.shadow_model_attack.EPOCHS", 20)
    patch.setattr("fedsilo.runs.audit.attack_evaluation.PERMUTATIONS", 50)


@pytest.fixture
def quick_attacks(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


@pytest.fixture(scope="session")
def audited(small_run: Run, tmp_path_factory: pytest.TempPathFactory, audit_cache: Path) -> tuple[Run, dict[str, Any]]:
    """A copy of the finished run after an audit with `quick_attacks`, and its document; no test may change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(audit_cache))
        quicken(patch)
        run = Run(Path(shutil.copytree(small_run.folder, tmp_path_factory.mktemp("audited") / "small")))
        return run, audit(run.folder, Audit(4))


@pytest.fixture
def own_run(small_run: Run, tmp_path: Path) -> Run:
    """A copy of it."""
    return Run(Path(shutil.copytree(small_run.folder, tmp_path / "small")))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Run]:
    """Runs the small scenario with changes."""

    def make(**changes: Any) -> Run:
        return fedsilo.run(SMALL, **changes, tracking={"root": str(tmp_path / "runs")})

    return make


@pytest.fixture
def population() -> Population:
    """Two clients with 100 images of each of four classes, every second one a member."""
    rows = np.arange(800)
    return Population(
        positions=rows,
        clients=rows // 400,
        labels=rows // 100 % 4,
        members=rows % 2 == 0,
        alone=np.ones(800, dtype=bool),
        domains=("", ""),
    )


Observe = Callable[..., list[Observation]]


@pytest.fixture
def observe(population: Population) -> Observe:
    """Makes observations of runs whose confidence in a member is higher by `gap`, on top of each image's own."""

    def make(count: int, gap: float, seed: int = 0, hardness: float = 2.0) -> list[Observation]:
        generator = np.random.default_rng(seed)
        own = generator.normal(0, hardness, len(population))
        return [_observation(population, own, gap, generator) for _ in range(count)]

    return make


def _observation(population: Population, own: np.ndarray, gap: float, generator: np.random.Generator) -> Observation:
    size = len(population)
    members = generator.random(size) < 0.5
    confidence = own + gap * members + generator.normal(0, 1, size)
    right = 1 / (1 + np.exp(-confidence))
    table = np.repeat(((1 - right) / 3)[:, None], 4, axis=1)
    table[np.arange(size), population.labels] = right
    return Observation(np.log(table), members, members, np.ones(size, dtype=bool))
