"""MLflow itself, where it is installed: what it wrote is read back from the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedsilo.core.tracking import Logger
from fedsilo.storage.loggers.mlflow import MLflow


@pytest.mark.slow
def test_mlflow_has_one_run_with_every_round_once(tmp_path: Path, twice: Callable[[Logger, Path], str]) -> None:
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
