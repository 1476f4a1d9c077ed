"""MLflow: one run of an experiment, in a database file beside the run folders unless a server is named."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedsilo.core.config_fields import key
from fedsilo.core.tracking import Log, Logger, Occasion

LONGEST = 500
"""Letters of a parameter's value that every MLflow takes."""

AT_ONCE = 100
"""Parameters that it takes at once."""


@dataclass(frozen=True)
class MLflow(Logger):
    """A run in MLflow."""

    uri: str = key("", "Tracking server or store; empty: MLFLOW_TRACKING_URI, else mlflow.db in tracking.root.")
    experiment: str = key("fedsilo", "Experiment that the run belongs to.")

    def require(self) -> None:
        """Imports the client."""
        # What leaves the machine is what is asked for; and a server that is away must not hold the run for minutes.
        for name, value in {
            **{"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
            **{"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"},
        }.items():
            os.environ.setdefault(name, value)
        import mlflow  # noqa: F401

        if not (self.uri or os.environ.get("MLFLOW_TRACKING_URI")):
            import alembic
            import sqlalchemy  # noqa: F401

            logging.getLogger(alembic.__name__).setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table that it makes

    def open(self, occasion: Occasion) -> Log:
        """Returns the run, made or found again by its id."""
        from mlflow import MlflowClient

        root = occasion.folder.resolve().parent
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
        client = MlflowClient(tracking_uri=uri)
        if occasion.identity:
            client.update_run(occasion.identity, status="RUNNING")
            return _Run(client, occasion.identity)
        found = client.get_experiment_by_name(self.experiment)
        experiment = found.experiment_id if found else client.create_experiment(self.experiment)
        run = client.create_run(experiment, run_name=occasion.folder.name)
        opened = _Run(client, run.info.run_id)
        opened.describe(occasion.scenario)
        return opened


class _Run(Log):
    def __init__(self, client: Any, identity: str) -> None:
        self._client, self.identity = client, identity

    def describe(self, scenario: Mapping[str, Any]) -> None:
        """Keeps the scenario as parameters, such as training.rounds."""
        from mlflow.entities import Param

        told = [Param(name, str(value)[:LONGEST]) for name, value in flat(scenario)]
        for first in range(0, len(told), AT_ONCE):
            self._client.log_batch(self.identity, params=told[first : first + AT_ONCE])

    def log(self, method: str, round: int, values: Mapping[str, float]) -> None:
        self._metrics({f"{method}/{measure}".replace(":", "."): value for measure, value in values.items()}, round)

    def conclude(self, values: Mapping[str, float]) -> None:
        self._metrics({f"final/{name}".replace(":", "."): value for name, value in values.items()}, 0)

    def close(self, finished: bool) -> None:
        self._client.set_terminated(self.identity, "FINISHED" if finished else "KILLED")

    def _metrics(self, values: Mapping[str, float], step: int) -> None:
        import time

        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._client.log_batch(self.identity, metrics=[Metric(name, v, now, step) for name, v in values.items()])


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the leaves of nested mappings by their dotted names; an empty mapping is a leaf."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
