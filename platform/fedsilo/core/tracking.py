"""The contract of loggers: services outside the run's folder that receive the numbers of rounds and results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Occasion:
    """The run that a logger is opened for.

    Attributes:
        folder: The run's folder.
        identity: `Log.identity` of the run's first start; "" when the run starts now.
        scenario: The resolved scenario as nested mappings.
    """

    folder: Path
    identity: str
    scenario: Mapping[str, Any]


class Log(ABC):
    """An open log of a run."""

    identity: str = ""
    """The key with which the logger finds a resumed run."""

    @abstractmethod
    def log(self, method: str, round: int, values: Mapping[str, float]) -> None:
        """Logs a finished round of a method. No round is logged twice.

        Args:
            method: Name of the method.
            round: Round number, from 0.
            values: Numbers by measure, all finite.
        """

    @abstractmethod
    def conclude(self, values: Mapping[str, float]) -> None:
        """Logs the final numbers.

        Args:
            values: Numbers by "method/measure".
        """

    @abstractmethod
    def close(self, finished: bool) -> None:
        """Closes the log.

        Args:
            finished: Whether the run has finished; it can be resumed otherwise.
        """


class Logger(ABC):
    """A kind of logger; its dataclass fields are the keys of its section in `tracking`."""

    @abstractmethod
    def require(self) -> None:
        """Imports the logger's library.

        Raises:
            ImportError: The library is not installed.
        """

    @abstractmethod
    def open(self, occasion: Occasion) -> Log:
        """Opens the log of a run; a resumed run gets the log of its first start.

        Args:
            occasion: The run.

        Returns:
            The open log.
        """
