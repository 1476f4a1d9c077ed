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
"""Characters of a parameter's value that every version of MLflow accepts."""

AT_ONCE = 100
"""Parameters that MLflow accepts in one call."""


@dataclass(frozen=True)
class MLflow(Logger):
    """A run in MLflow."""

    uri: str = key("", "Tracking server or store; empty: MLFLOW_TRACKING_URI, else mlflow.db in tracking.root.")
    experiment: str = key("fedsilo", "Experiment that the run belongs to.")

    def require(self) -> None:
        """Imports the client."""
        # Only what the user asked for leaves the machine, and a server that is away must not delay the run for minutes.
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
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it logs every table that it makes

    def open(self, occasion: Occasion) -> Log:
        """Opens the run in MLflow, a new one or the one with the known id.

        Args:
            occasion: The run of fedsilo that is logged.

        Returns:
            The open run.
        """
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

        parameters = [Param(name, str(value)[:LONGEST]) for name, value in flatten(scenario)]
        for first in range(0, len(parameters), AT_ONCE):
            self._client.log_batch(self.identity, params=parameters[first : first + AT_ONCE])

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


def flatten(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Flattens nested mappings.

    Args:
        values: The mappings.
        above: Dotted name of the mapping, with a dot at its end; "" for the outermost.

    Yields:
        Dotted name and value of each leaf; an empty mapping is a leaf.
    """
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
