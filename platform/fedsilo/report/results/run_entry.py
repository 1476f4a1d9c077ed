"""One run of a comparison, with the settings that distinguish it from other runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fedsilo.config.dumping import format_value, to_mapping
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import RunError
from fedsilo.core.registry import title_of
from fedsilo.report.results.finished_run import Run
from fedsilo.storage.run_folder import read_json

Ground = tuple[str, ...]
"""Ground of a run: hashes of its partition, of its backbone's weights and of composed candidates (None for classes),
and the hand-written prompt."""


def list_settings(scenario: Scenario) -> dict[str, Any]:
    """Lists all keys that the numbers of a run depend on, without names, folders and where the run is executed.

    Args:
        scenario: The scenario.

    Returns:
        Values by dotted key.
    """
    mapping = to_mapping(scenario)
    threads = mapping.pop("actors")["threads"]
    for key in ("name", "tracking"):
        del mapping[key]
    del mapping["evaluation"]["references"]
    return {**_flatten(mapping), "actors.threads": threads}


def _flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


@dataclass(frozen=True)
class RunEntry:
    """One run of a comparison.

    Attributes:
        scenario: Its scenario.
        folder: Its folder; None if the run never began.
        error: Why the run did not finish, on one line; "" if it finished.
    """

    scenario: Scenario
    folder: Path | None = None
    error: str = ""

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Values of `list_settings` for its scenario."""
        return list_settings(self.scenario)

    @property
    def method(self) -> str:
        """Name of its method."""
        return title_of(self.scenario.method)

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.scenario.seed

    @cached_property
    def result(self) -> dict[str, Any]:
        """The document of result.json. Raises RunError when the run has not finished."""
        return Run(self._where).result

    @cached_property
    def ground(self) -> Ground:
        """Its ground: what must be equal in runs that are compared."""
        data = read_json(self._where / "data.json")
        return tuple(str(data.get(key)) for key in ("split_sha256", "backbone_sha256", "template", "candidates_sha256"))

    @cached_property
    def versions(self) -> dict[str, str]:
        """Versions of the packages it ran with, and the hash of fedsilo's source code."""
        document = read_json(self._where / "environment.json")
        packages = document.get("packages")
        known = packages if isinstance(packages, dict) else {}
        return {**known, "fedsilo's source": str(document.get("code", "unknown"))[:12]}

    @property
    def _where(self) -> Path:
        assert self.folder is not None, "only a run that finished has results"
        return self.folder

    def row(self, method: str) -> dict[str, Any]:
        """Finds the row of a method, or of a reference, in the result.

        Args:
            method: Name of the method.

        Returns:
            The row.

        Raises:
            RunError: The result has no such row.
        """
        found: dict[str, Any] | None = next((row for row in self.result["rows"] if row["method"] == method), None)
        if found is None:
            raise RunError(f"{self._where / 'result.json'}: has no row of method '{method}'. Remove it, and resume.")
        return found

    @property
    def averaged_rounds(self) -> int:
        """Number of evaluated rounds that its numbers average."""
        return int(self.row(self.method).get("averaged_rounds") or self.result["headline"]["last_rounds"])

    def value(self, key: str) -> str:
        """Reads a value of the scenario.

        Args:
            key: Dotted key.

        Returns:
            The value as written in a scenario; "" where the scenario has no such key.
        """
        return format_value(self.settings[key]) if key in self.settings else ""
