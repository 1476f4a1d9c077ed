"""The loggers of one run. Each receives every round once, even if the run is interrupted, and cannot stop the run.

tracking.json in the run's folder has the run's identity at each logger, and the rounds that it has received. Rounds
that it missed while the driver was dead are read from rounds.jsonl when the run is resumed.
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
from fedsilo.report.results.finished_run import list_method_folders
from fedsilo.storage.run_folder import ROUNDS, read_json, read_lines, write_json

FILE = "tracking.json"
LEFT_OUT = ("round", "participants", "dropped", "shared_sha256", "seconds", "slowest")
"""Keys of a record that loggers do not receive, or receive in another form."""


def choose_loggers(tracking: Tracking) -> dict[str, Logger]:
    """Lists the loggers that a scenario names.

    Args:
        tracking: The scenario's section.

    Returns:
        Loggers by name.

    Raises:
        ScenarioError: A logger's package is not installed.
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
    """The open loggers of a run."""

    def __init__(
        self, loggers: Mapping[str, Logger], scenario: Scenario, folder: Path, notice: Callable[[str], None]
    ) -> None:
        """Opens the loggers and sends them the rounds that they missed.

        Args:
            loggers: Loggers by name.
            scenario: The run's scenario.
            folder: The run's folder.
            notice: Called with one line when a logger fails.
        """
        self._folder, self._notice = folder, notice
        self._known = _read_file(folder / FILE)
        self._logs: dict[str, Log] = {}
        self._finished = False
        for name, logger in loggers.items():
            identity = str(self._own(name)["identity"])
            with self._guard(name):
                self._logs[name] = logger.open(Occasion(folder, identity, to_mapping(scenario)))
                self._own(name)["identity"] = self._logs[name].identity
        for method, home in list_method_folders(scenario, folder) if self._logs else ():
            for record in read_lines(home / ROUNDS):
                self._send(method, record)
        self._write()

    def watch(self, method: str, record: RoundRecord) -> None:
        """Sends a finished round to all loggers.

        Args:
            method: Name of the method.
            record: Record of the round.
        """
        if self._logs:
            self._send(method, record.line())
            self._write()

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Sends the result of the finished run to all loggers.

        Args:
            result: Document of result.json.
        """
        self._finished = True
        found = {
            f"{row['method']}/{measure}": value
            for row in result["rows"]
            for measure, value in row.items()
            if _is_number(value)
        }
        for name in list(self._logs):
            with self._guard(name):
                self._logs[name].conclude(found)

    def close(self) -> None:
        """Closes all loggers."""
        for name in list(self._logs):
            with self._guard(name):
                self._logs[name].close(self._finished)
        self._logs.clear()

    def _send(self, method: str, record: Mapping[str, Any]) -> None:
        for name in list(self._logs):
            sent = self._own(name)["rounds"]
            if record["round"] <= sent.get(method, -1):
                continue
            with self._guard(name):
                self._logs[name].log(method, record["round"], select_numbers(record))
                sent[method] = record["round"]

    @contextlib.contextmanager
    def _guard(self, name: str) -> Iterator[None]:
        """Removes a logger that fails, so that the run continues."""
        try:
            yield
        except Exception as error:
            self._logs.pop(name, None)
            first = (str(error).strip().splitlines() or [""])[0]
            self._notice(
                f"tracking: {name} failed and receives nothing more: {type(error).__name__}: {first[:200]}. The run "
                "continues, its records are complete."
            )

    def _own(self, name: str) -> dict[str, Any]:
        own: dict[str, Any] = self._known.setdefault(name, {"identity": "", "rounds": {}})
        return own

    def _write(self) -> None:
        if self._known:
            with contextlib.suppress(RunError, OSError):  # at worst a logger receives a round twice after a crash
                write_json(self._folder / FILE, self._known)


@contextlib.contextmanager
def open_trackers(
    loggers: Mapping[str, Logger], scenario: Scenario, folder: Path, notice: Callable[[str], None]
) -> Iterator[Trackers]:
    """Holds a run's loggers open.

    Args:
        loggers: Loggers by name.
        scenario: The run's scenario.
        folder: The run's folder.
        notice: Called with one line when a logger fails.

    Yields:
        The open loggers.
    """
    trackers = Trackers(loggers, scenario, folder, notice)
    try:
        yield trackers
    finally:
        trackers.close()


def select_numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Selects the numbers of a round that loggers receive.

    Args:
        record: Line of rounds.jsonl.

    Returns:
        Finite numbers by name, among them the seconds of each stage.
    """
    found = {name: value for name, value in record.items() if name not in LEFT_OUT}
    found |= {"participants": len(record["participants"]), "dropped": len(record["dropped"])}
    found |= {f"seconds/{stage}": value for stage, value in record["seconds"].items()}
    found |= {f"seconds/{key} client": value for key, value in _pace(record.get("slowest") or {}).items()}
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def _pace(slowest: Mapping[str, float]) -> dict[str, float]:
    return {"slowest": slowest["seconds"], "median": slowest["median"]} if slowest else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _read_file(path: Path) -> dict[str, Any]:
    """The rounds that each logger has received; empty where the file is damaged."""
    try:
        return read_json(path) if path.exists() else {}
    except RunError:
        return {}
