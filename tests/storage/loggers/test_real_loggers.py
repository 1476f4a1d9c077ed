"""The loggers themselves, where they are installed: a run, and the same run gone on with, read back from the disk."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsilo.core.tracking import Log, Logger, Occasion
from fedsilo.storage.loggers import wandb as wandb_logger
from fedsilo.storage.loggers.mlflow import MLflow
from fedsilo.storage.loggers.tensorboard import TensorBoard
from fedsilo.storage.loggers.wandb import WeightsAndBiases

SCENARIO = {"training": {"rounds": 3, "optimizer": {"learning_rate": 0.1}}, "evaluation": {"references": []}}


@pytest.fixture(autouse=True)
def _others_warnings() -> Iterator[None]:
    """Their own warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def twice(logger: Logger, folder: Path) -> str:
    """Two rounds, an interruption, a third round and the result; returns the run's identity."""
    log: Log = logger.open(Occasion(folder, "", SCENARIO))
    for round in range(2):
        log.log("promptfl", round, {"loss": 1.0 - 0.25 * round, "seconds/train": 2.0})
    log.close(finished=False)
    again = logger.open(Occasion(folder, log.identity, SCENARIO))
    assert again.identity == log.identity
    again.log("promptfl", 2, {"loss": 0.5, "seconds/train": 2.0})
    again.log("local", 0, {"loss": 0.75})
    again.conclude({"promptfl/local_accuracy": 0.7})
    again.close(finished=True)
    return log.identity


def test_tensorboard_has_every_round_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoard()
    logger.require()
    twice(logger, tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard" / "promptfl"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(0, 1.0), (1, 0.75), (2, 0.5)]
    assert [event.value for event in events.Scalars("final/local_accuracy")] == [pytest.approx(0.7)]
    assert (tmp_path / "tensorboard" / "local").is_dir()
    twice(TensorBoard(folder=str(tmp_path / "all")), tmp_path / "night")
    assert len(list((tmp_path / "all" / "night" / "promptfl").glob("events.*"))) == 2


@pytest.mark.slow
def test_mlflow_has_one_run_with_every_round_once(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed")
    folder = tmp_path / "night"
    folder.mkdir()
    logger = MLflow(experiment="ours")
    logger.require()
    identity = twice(logger, folder)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("ours").experiment_id])
    assert (run.info.run_id, run.info.run_name, run.info.status) == (identity, "night", "FINISHED")
    history = client.get_metric_history(identity, "promptfl/loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 1.0), (1, 0.75), (2, 0.5)]
    assert run.data.metrics["final/promptfl/local_accuracy"] == 0.7
    assert run.data.params["training.optimizer.learning_rate"] == "0.1"


@pytest.mark.slow
def test_wandb_writes_to_the_disk_alone_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
