"""What a logger promises: a place outside the run's folder that is told of rounds and results."""

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
        identity: What `Log.identity` was when the run began; "" when it begins now.
        scenario: The resolved scenario as nested mappings.
    """

    folder: Path
    identity: str
    scenario: Mapping[str, Any]


class Log(ABC):
    """A run in a logger, open."""

    identity: str = ""
    """By which the logger finds the run again when it is resumed."""

    @abstractmethod
    def log(self, method: str, round: int, values: Mapping[str, float]) -> None:
        """Takes a finished round of a method: numbers by measure, all finite. No round comes twice."""

    @abstractmethod
    def conclude(self, values: Mapping[str, float]) -> None:
        """Takes the final numbers, by "method/measure"."""

    @abstractmethod
    def close(self, finished: bool) -> None:
        """Ends it. A run that has not finished is resumed some day."""


class Logger(ABC):
    """A kind of logger; its dataclass fields are the keys of its section in `tracking`."""

    @abstractmethod
    def require(self) -> None:
        """Imports what it needs. Raises ImportError where that is not installed."""

    @abstractmethod
    def open(self, occasion: Occasion) -> Log:
        """Returns the log of a run, the same as before when the run is resumed."""
