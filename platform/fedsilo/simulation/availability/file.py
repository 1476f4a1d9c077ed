"""Availability from a trace file: when each client is there, and how fast it is then.

A CSV file with a heading, or a JSON list of objects; a line for each time that a client is there:

    client,online_from_s,online_until_s,seconds_per_step
    0,0,600,1.5
    0,900,,1.5

Nothing after `online_until_s` means for good, nothing after `seconds_per_step` the section's own speed. A client that
is in no line is never there.
"""

from __future__ import annotations

import csv
import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from fedsilo.core import Call
from fedsilo.core.config_fields import key
from fedsilo.core.errors import ScenarioError
from fedsilo.data.files.user_paths import from_home
from fedsilo.simulation.availability_model import TimedAvailability, TimedModel

COLUMNS = ("client", "online_from_s", "online_until_s", "seconds_per_step")


@dataclass(frozen=True, slots=True)
class Stay:
    """A time that a client is there.

    Attributes:
        client: The client's number.
        begins: From when, simulated seconds.
        ends: Until when; inf for good.
        step_s: Seconds of one training step; None: the section's own.
        where: Place in the file, for messages.
    """

    client: int
    begins: float
    ends: float
    step_s: float | None
    where: str


@dataclass(frozen=True)
class File(TimedAvailability):
    """Read from a CSV or JSON file."""

    file: str = key("", "The file, with client, online_from_s, online_until_s, seconds_per_step; ~ is the home folder.")

    def problems(self) -> list[str]:
        """Returns what is wrong with the fields and in the file."""
        found = super().problems()
        if not self.file.strip():
            return [*found, "file: missing. Give the path of a CSV or JSON file."]
        try:
            return found + [f"file: {line}" for line in _overlaps(self.stays)]
        except ScenarioError as error:
            return found + [f"file: {line}" for line in error.problems]

    @property
    def path(self) -> Path:
        """The file, from the current folder."""
        return from_home(self.file)

    @cached_property
    def stays(self) -> tuple[Stay, ...]:
        """Lines of the file, read once: they travel with this object to machines that do not have the file.

        Returns:
            One entry per line.

        Raises:
            ScenarioError: The file cannot be read, or lines of it are wrong.
        """
        return tuple(_stays(self.path))

    def refusals(self, clients: int) -> list[str]:
        """Checks that the file fits the run.

        Args:
            clients: Number of clients of the run.

        Returns:
            Why it does not fit, as 'key: why. What to do.' lines.
        """
        unknown = sorted({stay.client for stay in self.stays if stay.client >= clients})
        return super().refusals(clients) + [
            f"file: {self.file}: there is no client {client}, the partition makes 0 to {clients - 1}."
            for client in unknown
        ]

    def make_model(self, clients: int, seed: int) -> TimedModel:
        """Builds the availability of the clients of a run.

        Args:
            clients: Number of clients.
            seed: The scenario's seed; a file draws nothing from it.

        Returns:
            The model.
        """
        return _Model(self, clients, seed)


class _Model(TimedModel):
    """Stays of each client in order."""

    availability: File

    def __init__(self, availability: File, clients: int, seed: int) -> None:
        super().__init__(availability, clients, seed)
        self._stays = _Stays(availability.stays)

    def window(self, client: int, round: int, now: float) -> tuple[float, float]:
        stay = self._stays.after(client, now)
        return (max(stay.begins, now), stay.ends) if stay else (math.inf, math.inf)

    def step_s(self, call: Call) -> float:
        stay = self._stays.after(call.client, call.at)
        return super().step_s(call) if stay is None or stay.step_s is None else stay.step_s


@dataclass(slots=True)
class _Stays:
    """Stays by client, in order of time."""

    every: Iterable[Stay]
    by_client: dict[int, list[Stay]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for stay in sorted(self.every, key=lambda stay: stay.begins):
            self.by_client.setdefault(stay.client, []).append(stay)

    def after(self, client: int, now: float) -> Stay | None:
        """The first stay that is not over at a moment."""
        stays = self.by_client.get(client, [])
        number = bisect_right(stays, now, key=lambda stay: stay.ends)
        return stays[number] if number < len(stays) else None


def _overlaps(stays: Iterable[Stay]) -> list[str]:
    """Two stays of a client that are partly the same time."""
    found = []
    for of_one in _Stays(stays).by_client.values():
        for one, other in pairwise(of_one):
            if other.begins < one.ends:
                found.append(f"{other.where}: client {one.client} is there already, see {one.where}. Make it one line.")
    return found


def _stays(path: Path) -> list[Stay]:
    """The stays of a file. Raises ScenarioError with a line for each that is none."""
    problems, stays = [], []
    for where, row in _rows(path):
        try:
            stays.append(_stay(row, where))
        except (ValueError, TypeError) as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise ScenarioError(problems[0], problems)
    return stays


def _rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}.") from error
    if path.suffix.lower() != ".json":
        reader = csv.DictReader(text.splitlines())
        rows: list[Any] = list(reader)
        return [(f"{path}, line {number}", row) for number, row in enumerate(rows, 2)]
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise ScenarioError(f"{path}: is no JSON: {error}.") from error
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise ScenarioError(f"{path}: must be a list of objects with {', '.join(COLUMNS)}.")
    return [(f"{path}, entry {number}", row) for number, row in enumerate(rows, 1)]


def _stay(row: Mapping[str, Any], where: str) -> Stay:
    unknown = [str(name) for name in row if name not in COLUMNS]
    if unknown:
        raise ValueError(f"has {', '.join(unknown)}, known are {', '.join(COLUMNS)}.")
    client = _number(row, "client", None)
    begins, ends = _number(row, "online_from_s", 0.0), _number(row, "online_until_s", math.inf)
    step_s = _number(row, "seconds_per_step", math.nan)
    if client < 0 or client != int(client):
        raise ValueError(f"clients are numbered from 0, got {client:g}.")
    if not 0 <= begins < ends:
        raise ValueError(f"online from {begins:g} until {ends:g} s is no time. Begin at 0 or later, end after that.")
    if step_s <= 0:
        raise ValueError(f"seconds_per_step must be above 0, got {step_s:g}.")
    return Stay(int(client), begins, ends, None if math.isnan(step_s) else step_s, where)


def _number(row: Mapping[str, Any], name: str, default: float | None) -> float:
    value = row.get(name)
    if value is None or value == "":
        if default is None:
            raise ValueError(f"{name} must be given.")
        return default
    try:
        number = float(value)
    except (ValueError, TypeError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number, got {value!r}.")
    return number
