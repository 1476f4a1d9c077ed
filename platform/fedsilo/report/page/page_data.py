"""The records of a run that its page shows, read once.

A run may be unfinished. Damaged and missing files are named on the page and left out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fedsilo.config.sections import Scenario
from fedsilo.core import Candidates, Measures
from fedsilo.core.errors import FedsiloError
from fedsilo.core.registry import title_of
from fedsilo.partitioning.manifest import Manifest
from fedsilo.privacy.ledger import STATEMENT
from fedsilo.privacy.ledger_lines import LEDGER
from fedsilo.report.results.finished_run import Run, list_method_folders
from fedsilo.report.results.summary import summarise_method
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.storage.run_folder import CLIENTS, CURVES, ROUNDS, TIMELINE, WIRE, read_json, read_lines

Record = Mapping[str, Any]
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class MethodRecords:
    """The records of one method.

    Attributes:
        name: Name of the method.
        rounds: Lines of rounds.jsonl.
        scores: Lines of clients.jsonl.
        wire: Lines of wire.jsonl.
        charges: Lines of ledger.jsonl.
        timeline: Lines of timeline.jsonl; empty for runs of earlier versions.
        privacy: The privacy guarantee (privacy.json); None without one.
        measures: Metrics of the run's task.
        curves: Lines of curves.jsonl; empty for a task without a curve.
    """

    name: str
    rounds: Sequence[Record]
    scores: Sequence[Record]
    wire: Sequence[Record]
    charges: Sequence[Record]
    timeline: Sequence[Record]
    privacy: Record | None
    measures: Measures
    curves: Sequence[Record] = ()

    @property
    def evaluated(self) -> list[Record]:
        """Records of the rounds in which clients were evaluated."""
        return [record for record in self.rounds if record.get(self.measures.local) is not None]

    def read_curve(self, measure: str) -> list[tuple[float, float | None]]:
        """Reads a measure over all rounds.

        Args:
            measure: Key of the measure in rounds.jsonl.

        Returns:
            Round and value of each round; None for a round without a value.
        """
        return [(float(record["round"]), record.get(measure)) for record in self.rounds]

    def has(self, measure: str) -> bool:
        """Checks whether any round has a value of a measure.

        Args:
            measure: Key of the measure in rounds.jsonl.

        Returns:
            Whether there is a value.
        """
        return any(record.get(measure) is not None for record in self.rounds)

    def read_client_curves(self) -> dict[int, list[tuple[float, float | None]]]:
        """Reads the headline metric of each client on its own test images.

        Returns:
            Round and value of each evaluation, by client.
        """
        found: dict[int, list[tuple[float, float | None]]] = {}
        for score in self.scores:
            found.setdefault(int(score["client"]), []).append(
                (float(score["round"]), score.get(self.measures.headline.name))
            )
        return dict(sorted(found.items()))

    def read_last_scores(self) -> dict[int, float | None]:
        """Reads the headline metric of each client in its last evaluation.

        Returns:
            The value by client.
        """
        return {client: points[-1][1] for client, points in self.read_client_curves().items()}


@dataclass(frozen=True, slots=True)
class PageData:
    """All records of a run that its page shows.

    Attributes:
        folder: Folder of the run.
        scenario: The scenario.
        yaml: Text of scenario.yaml in the folder.
        method: Name of the scenario's method.
        parts: Records of the methods that have begun, by name, in the order in which the methods run.
        result: result.json; None before the run has finished.
        manifest: The partition; None before the data are split.
        candidates: The candidates that scores are over; None before the data are split.
        environment: environment.json, the machine and the versions.
        origin: data.json, what the run began with.
        unreadable: A message for each file that could not be read.
    """

    folder: Path
    scenario: Scenario
    yaml: str
    method: str
    parts: Mapping[str, MethodRecords]
    result: Record | None
    manifest: Manifest | None
    candidates: Candidates | None
    environment: Record
    origin: Record
    unreadable: Sequence[str]

    @property
    def main(self) -> MethodRecords | None:
        """Records of the scenario's method; None before it has begun."""
        return self.parts.get(self.method)

    @property
    def floor(self) -> MethodRecords | None:
        """Records of zero-shot; None where zero-shot is the scenario's method."""
        return None if self.method == "zero_shot" else self.parts.get("zero_shot")

    @property
    def learners(self) -> list[MethodRecords]:
        """Methods that are drawn as curves: all except zero-shot, the scenario's method last."""
        others = [part for name, part in self.parts.items() if name not in (self.method, "zero_shot")]
        return others + ([self.main] if self.main else [])

    def style_of(self, part: MethodRecords) -> int:
        """Chooses the colour and the dash pattern of a method.

        Args:
            part: One of `learners`.

        Returns:
            The style number, 0 for the scenario's method.
        """
        return 0 if part.name == self.method else 1 + [p.name for p in self.learners].index(part.name)

    @property
    def chance(self) -> float | None:
        """Headline metric of random guessing; None before the data are split."""
        return self.scenario.task.chance(self.candidates) if self.candidates else None

    @property
    def measures(self) -> Measures:
        """Metrics of the run's task."""
        return self.scenario.task.measured

    @property
    def last_rounds(self) -> int:
        """Number of evaluated rounds that the headline averages."""
        return self.scenario.evaluation.last or self.scenario.method.headline_rounds

    @property
    def rows(self) -> list[Record]:
        """Rows of the comparison, from result.json or, before the end, from the rounds so far."""
        if self.result:
            return list(self.result["rows"])
        order = [*([self.floor] if self.floor else []), *self.learners]
        measured = [part for part in order if part.evaluated]
        chance = {"method": "chance", "role": "reference", self.measures.local: self.chance}
        return [chance, *(self._row(part) for part in measured)] if measured else []

    def _row(self, part: MethodRecords) -> Record:
        role = "method" if part.name == self.method else "reference"
        return summarise_method(
            part.name, role, Outcome(tuple(part.rounds), (), "", (), ()), self.last_rounds, self.measures
        )


def read_page_data(run: Run) -> PageData:
    """Reads the records of a run.

    Args:
        run: The run, finished or not.

    Returns:
        All records that can be read, and a message for each file that cannot.

    Raises:
        ScenarioError: This version cannot read the run's scenario.yaml.
    """
    folder, unreadable = run.folder, list[str]()

    def read_or_note(read: Callable[[], Read], fallback: Read) -> Read:
        try:
            return read()
        except FedsiloError as error:
            unreadable.append(str(error))
            return fallback

    method = title_of(run.scenario.method)
    none: Record | None = None
    no_manifest: Manifest | None = None
    no_candidates: Candidates | None = None
    split = (folder / "partition.json").exists()
    return PageData(
        folder=folder,
        scenario=run.scenario,
        yaml=(folder / "scenario.yaml").read_text(encoding="utf-8"),
        method=method,
        parts={
            name: _part(name, home, read_or_note(partial(_statement, home), none), run.scenario.task.measured)
            for name, home in list_method_folders(run.scenario, folder)
            if home.is_dir()
        },
        result=read_or_note(lambda: run.result, none) if run.finished else None,
        manifest=read_or_note(lambda: run.manifest, no_manifest) if split else None,
        candidates=read_or_note(lambda: run.candidates, no_candidates) if split else None,
        environment=read_or_note(lambda: _document(folder / "environment.json"), {}),
        origin=read_or_note(lambda: _document(folder / "data.json"), {}),
        unreadable=unreadable,
    )


def _part(name: str, home: Path, guarantee: Record | None, measures: Measures) -> MethodRecords:
    journals = (ROUNDS, CLIENTS, WIRE, LEDGER, TIMELINE)
    rounds, scores, wire, charges, timeline = (read_lines(home / journal) for journal in journals)
    curves = read_lines(home / CURVES)
    return MethodRecords(name, rounds, scores, wire, charges, timeline, guarantee, measures, curves)


def _statement(home: Path) -> Record | None:
    return read_json(home / STATEMENT) if (home / STATEMENT).exists() else None


def _document(path: Path) -> Record:
    return read_json(path) if path.exists() else {}
