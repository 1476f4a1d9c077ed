"""Weights & Biases: what reaches its runs, and where its key is looked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsilo.core.tracking import Logger
from fedsilo.storage.loggers import wandb as wandb_logger
from fedsilo.storage.loggers.wandb import WeightsAndBiases


@pytest.mark.slow
def test_wandb_writes_to_the_disk_alone_without_a_key(
    tmp_path: Path, twice: Callable[[Logger, Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setattr(wandb_logger, "has_key", lambda: False)
    logger = WeightsAndBiases()
    logger.require()
    identity = twice(logger, tmp_path)
    runs = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert runs
    assert all(run.name.endswith(identity) for run in runs)
    assert all(list(run.glob("run-*.wandb")) for run in runs)


def test_a_key_is_looked_for_in_the_environment_and_where_wandb_login_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not wandb_logger.has_key()
    (tmp_path / ".netrc").write_text("machine api.wandb.ai\n  login user\n  password not-a-key\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert wandb_logger.has_key()
    (tmp_path / ".netrc").write_text("machine elsewhere.example\n  login user\n  password not-a-key\n")
    assert not wandb_logger.has_key()
    monkeypatch.setenv("WANDB_API_KEY", "not-a-key")
    assert wandb_logger.has_key()


class Service:
    """Stands in for a run of W&B's."""

    id = "abc"

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.summary: dict[str, float] = {}

    def define_metric(self, name: str, step_metric: str) -> None:
        self.calls.append((name, step_metric))

    def log(self, values: dict[str, float]) -> None:
        self.calls.append((values,))

    def finish(self, exit_code: int) -> None:
        self.calls.append((exit_code,))


def test_in_wandb_each_method_counts_its_own_rounds() -> None:
    service = Service()
    log = wandb_logger._Run(service)
    log.log("promptfl", 7, {"loss": 0.5})
    log.log("local", 0, {"loss": math.pi})
    log.log("local", 1, {"loss": 3.0})
    log.conclude({"local/accuracy": 0.25})
    log.close(finished=False)
    assert service.calls == [
        ("promptfl/*", "promptfl/round"),
        ({"promptfl/round": 7, "promptfl/loss": 0.5},),
        ("local/*", "local/round"),
        ({"local/round": 0, "local/loss": math.pi},),
        ({"local/round": 1, "local/loss": 3.0},),
        (1,),
    ]
    assert service.summary == {"final/local/accuracy": 0.25}
