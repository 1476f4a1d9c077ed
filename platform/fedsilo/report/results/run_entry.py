"""One run of a comparison, and what makes it another run than the next one."""

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
"""What a run stands on: hashes of its partition and of its backbone's weights, and the hand-written prompt."""


def settings(scenario: Scenario) -> dict[str, Any]:
    """Returns all keys that the numbers of a run depend on, dotted: no names, no folders, and not where it runs."""
    mapping = to_mapping(scenario)
    threads = mapping.pop("actors")["threads"]
    for key in ("name", "tracking"):
        del mapping[key]
    del mapping["evaluation"]["references"]
    return {**_dotted(mapping), "actors.threads": threads}


def _dotted(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        flat |= _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


@dataclass(frozen=True)
class RunEntry:
    """One run of a comparison.

    Attributes:
        scenario: What it runs.
        folder: Where it is; None if it never began.
        error: Why it did not finish, one line; "" if it did.
    """

    scenario: Scenario
    folder: Path | None = None
    error: str = ""

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Returns `settings` of its scenario."""
        return settings(self.scenario)

    @property
    def method(self) -> str:
        """Returns its method's name."""
        return title_of(self.scenario.method)

    @property
    def seed(self) -> int:
        """Returns its seed."""
        return self.scenario.seed

    @cached_property
    def result(self) -> dict[str, Any]:
        """Returns the document of its result.json. Raises RunError when it has not finished."""
        return Run(self._where).result

    @cached_property
    def ground(self) -> Ground:
        """Returns what it stands on."""
        data = read_json(self._where / "data.json")
        return tuple(str(data.get(key)) for key in ("split_sha256", "backbone_sha256", "template"))

    @cached_property
    def versions(self) -> dict[str, str]:
        """Returns the versions it was made with, and the hash of fedsilo's own source."""
        document = read_json(self._where / "environment.json")
        packages = document.get("packages")
        known = packages if isinstance(packages, dict) else {}
        return {**known, "fedsilo's source": str(document.get("code", "unknown"))[:12]}

    @property
    def _where(self) -> Path:
        assert self.folder is not None, "only a run that finished is asked for what it found"
        return self.folder

    def row(self, method: str) -> dict[str, Any]:
        """Returns the row of a method, or of a reference, in its result."""
        found: dict[str, Any] | None = next((row for row in self.result["rows"] if row["method"] == method), None)
        if found is None:
            raise RunError(f"{self._where / 'result.json'}: has no row of method '{method}'. Remove it, and resume.")
        return found

    @property
    def averaged_rounds(self) -> int:
        """Returns over how many evaluated rounds its numbers are means."""
        return int(self.row(self.method).get("averaged_rounds") or self.result["headline"]["last_rounds"])

    def value(self, key: str) -> str:
        """Returns the value of a dotted key as written in a scenario; "" where its scenario has no such key."""
        return format_value(self.settings[key]) if key in self.settings else ""
