"""The loggers of one run: told of every round once, however often the run is interrupted, and never in its way.

tracking.json in the run's folder has what each logger calls the run and which rounds it was told of. What it missed
while the driver was dead is on record in rounds.jsonl and told when the run is resumed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fedsilo.config.dumping import to_mapping
from fedsilo.config.sections import Scenario, Tracking
from fedsilo.core import RoundRecord
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo.core.tracking import Log, Logger, Occasion
from fedsilo.report.results.finished_run import homes
from fedsilo.storage.run_folder import ROUNDS, read_json, read_lines, write_json

FILE = "tracking.json"
UNTOLD = ("round", "participants", "dropped", "shared_sha256", "seconds", "slowest")
"""Of a record: what is no number, or told in another way."""


def chosen(tracking: Tracking) -> dict[str, Logger]:
    """Returns the loggers that a scenario names.

    Raises:
        ScenarioError: The package of one is not installed.
    """
    loggers: dict[str, Logger] = {name: getattr(tracking, name) for name in tracking.loggers}
    for name, logger in loggers.items():
        try:
            logger.require()
        except ImportError as error:
            raise ScenarioError(
                f"tracking.loggers: {name} is not installed ({error}). Install it with: pip install 'fedsilo[tracking]'"
            ) from None
    return loggers


class Trackers:
    """A run's loggers, open."""

    def __init__(
        self, loggers: Mapping[str, Logger], scenario: Scenario, folder: Path, notice: Callable[[str], None]
    ) -> None:
        """Opens them and tells them what they missed.

        Args:
            loggers: By name.
            scenario: The run's.
            folder: The run's.
            notice: Takes a line when one of them fails.
        """
        self._folder, self._notice = folder, notice
        self._known = _known(folder / FILE)
        self._logs: dict[str, Log] = {}
        self._finished = False
        for name, logger in loggers.items():
            identity = str(self._own(name)["identity"])
            with self._guarded(name):
                self._logs[name] = logger.open(Occasion(folder, identity, to_mapping(scenario)))
                self._own(name)["identity"] = self._logs[name].identity
        for method, home in homes(scenario, folder) if self._logs else ():
            for record in read_lines(home / ROUNDS):
                self._tell(method, record)
        self._write()

    def watch(self, method: str, record: RoundRecord) -> None:
        """Is told of a finished round."""
        if self._logs:
            self._tell(method, record.line())
            self._write()

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Is told of the finished run, the document of result.json."""
        self._finished = True
        found = {
            f"{row['method']}/{measure}": value
            for row in result["rows"]
            for measure, value in row.items()
            if _is_number(value)
        }
        for name in list(self._logs):
            with self._guarded(name):
                self._logs[name].conclude(found)

    def close(self) -> None:
        """Ends them all."""
        for name in list(self._logs):
            with self._guarded(name):
                self._logs[name].close(self._finished)
        self._logs.clear()

    def _tell(self, method: str, record: Mapping[str, Any]) -> None:
        for name in list(self._logs):
            told = self._own(name)["rounds"]
            if record["round"] <= told.get(method, -1):
                continue
            with self._guarded(name):
                self._logs[name].log(method, record["round"], numbers(record))
                told[method] = record["round"]

    @contextlib.contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """A logger that fails is left alone from then on: the run is worth more."""
        try:
            yield
        except Exception as error:
            self._logs.pop(name, None)
            first = (str(error).strip().splitlines() or [""])[0]
            self._notice(
                f"tracking: {name} failed and is told nothing more: {type(error).__name__}: {first[:200]}. The run "
                "goes on, its records are whole."
            )

    def _own(self, name: str) -> dict[str, Any]:
        own: dict[str, Any] = self._known.setdefault(name, {"identity": "", "rounds": {}})
        return own

    def _write(self) -> None:
        if self._known:
            with contextlib.suppress(RunError, OSError):  # at worst a round is told twice after a crash
                write_json(self._folder / FILE, self._known)


@contextlib.contextmanager
def tracked(
    loggers: Mapping[str, Logger], scenario: Scenario, folder: Path, notice: Callable[[str], None]
) -> Iterator[Trackers]:
    """Holds a run's loggers open; the arguments are those of `Trackers`."""
    trackers = Trackers(loggers, scenario, folder, notice)
    try:
        yield trackers
    finally:
        trackers.close()


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Returns what loggers are told of a round: its finite numbers, and the seconds of each stage."""
    found = {name: value for name, value in record.items() if name not in UNTOLD}
    found |= {"participants": len(record["participants"]), "dropped": len(record["dropped"])}
    found |= {f"seconds/{stage}": value for stage, value in record["seconds"].items()}
    found |= {f"seconds/{key} client": value for key, value in _pace(record.get("slowest") or {}).items()}
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def _pace(slowest: Mapping[str, float]) -> dict[str, float]:
    return {"slowest": slowest["seconds"], "median": slowest["median"]} if slowest else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _known(path: Path) -> dict[str, Any]:
    """What each logger was told; a file that is damaged is none."""
    try:
        return read_json(path) if path.exists() else {}
    except RunError:
        return {}
