"""Weights & Biases: one run, only on disk unless there is a key for the service or the scenario says otherwise."""

from __future__ import annotations

import netrc
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsilo.core.config_fields import key
from fedsilo.core.tracking import Log, Logger, Occasion

HOST = "api.wandb.ai"


@dataclass(frozen=True)
class WeightsAndBiases(Logger):
    """A run in Weights & Biases."""

    project: str = key("fedsilo", "Project that the run belongs to.")
    entity: str = key("", "User or team; empty: the key's own.")
    mode: str = key(
        "auto",
        "online sends as it goes, offline writes below the run's folder for `wandb sync`, auto: online where there is "
        "a key, else offline.",
        "auto",
        "online",
        "offline",
    )

    def require(self) -> None:
        """Imports the package."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # wandb sends no reports of its own errors
        import wandb  # noqa: F401

    def open(self, occasion: Occasion) -> Log:
        """Opens the run in Weights & Biases, a new one or the one with the known id.

        Args:
            occasion: The run of fedsilo that is logged.

        Returns:
            The open run.
        """
        import wandb

        mode = self.mode if self.mode != "auto" else ("online" if has_key() else "offline")
        run = wandb.init(
            project=self.project,
            entity=self.entity or None,
            name=occasion.folder.name,
            id=occasion.identity or secrets.token_hex(4),
            resume="allow",
            dir=str(occasion.folder),
            mode=mode,
            config=dict(occasion.scenario),
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )
        return _Run(run)


class _Run(Log):
    def __init__(self, run: Any) -> None:
        self._run, self.identity = run, str(run.id)
        self._known: set[str] = set()

    def log(self, method: str, round: int, values: Mapping[str, float]) -> None:
        if method not in self._known:  # each method counts its own rounds; W&B's one step could only grow
            self._known.add(method)
            self._run.define_metric(f"{method}/*", step_metric=f"{method}/round")
        self._run.log({f"{method}/round": round, **{f"{method}/{name}": value for name, value in values.items()}})

    def conclude(self, values: Mapping[str, float]) -> None:
        self._run.summary.update({f"final/{name}": value for name, value in values.items()})

    def close(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)


def has_key() -> bool:
    """Looks for a key of this account to the service, in the environment or where `wandb login` puts it.

    Returns:
        Whether there is one.
    """
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators(HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False
