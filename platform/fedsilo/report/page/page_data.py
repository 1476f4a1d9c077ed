"""What a run's page is made of: its records, read once, finished or not.

What is damaged or missing is told and left out: a page of the rest is worth more than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fedsilo.config.sections import Scenario
from fedsilo.core import Measures
from fedsilo.core.errors import FedsiloError
from fedsilo.core.registry import title_of
from fedsilo.partitioning.manifest import Manifest
from fedsilo.privacy.ledger import STATEMENT
from fedsilo.privacy.ledger_lines import LEDGER
from fedsilo.report.results.finished_run import Run, homes
from fedsilo.report.results.summary import row
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.storage.run_folder import CLIENTS, ROUNDS, TIMELINE, WIRE, read_json, read_lines

Record = Mapping[str, Any]
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Part:
    """One method's records.

    Attributes:
        name: The method.
        rounds: Lines of rounds.jsonl.
        scores: Lines of clients.jsonl.
        wire: Lines of wire.jsonl.
        charges: Lines of ledger.jsonl.
        timeline: Lines of timeline.jsonl; runs of earlier versions have none.
        privacy: The statement, None where nothing is promised.
    """

    name: str
    rounds: Sequence[Record]
    scores: Sequence[Record]
    wire: Sequence[Record]
    charges: Sequence[Record]
    timeline: Sequence[Record]
    privacy: Record | None
    measures: Measures

    @property
    def evaluated(self) -> list[Record]:
        """Returns the rounds in which clients were measured."""
        return [record for record in self.rounds if record.get(self.measures.local) is not None]

    def curve(self, measure: str) -> list[tuple[float, float | None]]:
        """Returns a measure over all rounds, None where there is none."""
        return [(float(record["round"]), record.get(measure)) for record in self.rounds]

    def has(self, measure: str) -> bool:
        """Returns whether any round has the measure."""
        return any(record.get(measure) is not None for record in self.rounds)

    def of_clients(self) -> dict[int, list[tuple[float, float | None]]]:
        """Returns each client's headline metric on its own test images over rounds."""
        found: dict[int, list[tuple[float, float | None]]] = {}
        for score in self.scores:
            found.setdefault(int(score["client"]), []).append(
                (float(score["round"]), score.get(self.measures.headline.name))
            )
        return dict(sorted(found.items()))

    def last(self) -> dict[int, float | None]:
        """Returns each client's headline metric in the last evaluation."""
        return {client: points[-1][1] for client, points in self.of_clients().items()}


@dataclass(frozen=True, slots=True)
class Material:
    """All of a run that its page shows.

    Attributes:
        folder: Where the run is.
        scenario: What was asked for.
        yaml: The same as it stands in the folder.
        method: The scenario's method.
        parts: Records by method in the order in which they run; those that have begun.
        result: result.json; None before the run has finished.
        manifest: The partition, if it is there.
        environment: What it ran on.
        origin: data.json, what the run began with.
        unreadable: A line for each thing that could not be read.
    """

    folder: Path
    scenario: Scenario
    yaml: str
    method: str
    parts: Mapping[str, Part]
    result: Record | None
    manifest: Manifest | None
    environment: Record
    origin: Record
    unreadable: Sequence[str]

    @property
    def main(self) -> Part | None:
        """Returns the records of the scenario's method, if it has begun."""
        return self.parts.get(self.method)

    @property
    def floor(self) -> Part | None:
        """Returns zero-shot's records, where it is not the scenario's method itself."""
        return None if self.method == "zero_shot" else self.parts.get("zero_shot")

    @property
    def learners(self) -> list[Part]:
        """Returns the methods that are drawn as curves: all but zero-shot, the scenario's own last."""
        others = [part for name, part in self.parts.items() if name not in (self.method, "zero_shot")]
        return others + ([self.main] if self.main else [])

    def look(self, part: Part) -> int:
        """Returns the number of a method's colour and dashes, 0 for the scenario's own."""
        return 0 if part.name == self.method else 1 + [p.name for p in self.learners].index(part.name)

    @property
    def chance(self) -> float | None:
        """Returns the headline metric of guessing."""
        return self.scenario.task.chance(self.manifest.classes) if self.manifest else None

    @property
    def measures(self) -> Measures:
        """Returns the task's measures."""
        return self.scenario.task.measured

    @property
    def last_rounds(self) -> int:
        """Returns how many evaluated rounds the headline averages."""
        return self.scenario.evaluation.last or self.scenario.method.headline_rounds

    @property
    def rows(self) -> list[Record]:
        """Returns the comparison: the result's, or what the rounds so far come to."""
        if self.result:
            return list(self.result["rows"])
        order = [*([self.floor] if self.floor else []), *self.learners]
        measured = [part for part in order if part.evaluated]
        chance = {"method": "chance", "role": "reference", self.measures.local: self.chance}
        return [chance, *(self._row(part) for part in measured)] if measured else []

    def _row(self, part: Part) -> Record:
        role = "method" if part.name == self.method else "reference"
        return row(part.name, role, Outcome(tuple(part.rounds), (), "", (), ()), self.last_rounds, self.measures)


def gather(run: Run) -> Material:
    """Returns what is there of a run. Raises ScenarioError when its scenario.yaml is none of this version."""
    folder, unreadable = run.folder, list[str]()

    def sound(read: Callable[[], Read], fallback: Read) -> Read:
        try:
            return read()
        except FedsiloError as error:
            unreadable.append(str(error))
            return fallback

    method = title_of(run.scenario.method)
    none: Record | None = None
    no_manifest: Manifest | None = None
    return Material(
        folder=folder,
        scenario=run.scenario,
        yaml=(folder / "scenario.yaml").read_text(encoding="utf-8"),
        method=method,
        parts={
            name: _part(name, home, sound(partial(_statement, home), none), run.scenario.task.measured)
            for name, home in homes(run.scenario, folder)
            if home.is_dir()
        },
        result=sound(lambda: run.result, none) if run.finished else None,
        manifest=sound(lambda: run.manifest, no_manifest) if (folder / "partition.json").exists() else None,
        environment=sound(lambda: _document(folder / "environment.json"), {}),
        origin=sound(lambda: _document(folder / "data.json"), {}),
        unreadable=unreadable,
    )


def _part(name: str, home: Path, guarantee: Record | None, measures: Measures) -> Part:
    journals = (ROUNDS, CLIENTS, WIRE, LEDGER, TIMELINE)
    rounds, scores, wire, charges, timeline = (read_lines(home / journal) for journal in journals)
    return Part(name, rounds, scores, wire, charges, timeline, guarantee, measures)


def _statement(home: Path) -> Record | None:
    return read_json(home / STATEMENT) if (home / STATEMENT).exists() else None


def _document(path: Path) -> Record:
    return read_json(path) if path.exists() else {}
