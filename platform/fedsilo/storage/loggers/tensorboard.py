"""TensorBoard: one folder of events per method, so that TensorBoard draws all methods in one chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsilo.core.config_fields import key
from fedsilo.core.tracking import Log, Logger, Occasion

FOLDER = "tensorboard"


@dataclass(frozen=True)
class TensorBoard(Logger):
    """Events for `tensorboard --logdir`."""

    folder: str = key("", "Folder that gets one of the run's name; empty: tensorboard in the run's own folder.")

    def require(self) -> None:
        """Imports the writer."""
        import torch.utils.tensorboard  # noqa: F401

    def open(self, occasion: Occasion) -> Log:
        """Opens writers, which are made with the first round of each method.

        Args:
            occasion: The run of fedsilo that is logged.

        Returns:
            The open writers.
        """
        own = Path(self.folder) / occasion.folder.name if self.folder else occasion.folder / FOLDER
        return _Writers(own)


class _Writers(Log):
    identity = FOLDER

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, Any] = {}

    def log(self, method: str, round: int, values: Mapping[str, float]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if method not in self._open:
            self._open[method] = SummaryWriter(str(self._folder / method.replace(":", ".")))
        writer = self._open[method]
        for measure, value in values.items():
            writer.add_scalar(measure, value, round)
        writer.flush()

    def conclude(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            method, _, measure = name.partition("/")
            if method in self._open:
                self._open[method].add_scalar(f"final/{measure}", value, 0)

    def close(self, finished: bool) -> None:
        for writer in self._open.values():
            writer.close()
