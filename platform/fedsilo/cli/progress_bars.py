"""Live progress of a run: bars on a terminal, else a line now and then.

Each stage before the rounds has a bar with its pace; the rounds of each method have a bar with the newest headline
metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from fedsilo.cli.output import progress_console
from fedsilo.core.printing import make_printable

if TYPE_CHECKING:
    from fedsilo.core import Measures, RoundRecord
    from fedsilo.runs.run import RunCallbacks
    from fedsilo.simulation.preparation import Prepared

EVERY_S = 30.0
"""Seconds between two lines of a stage without a terminal."""

PACE_S = 60.0
"""Seconds over which a bar's pace is averaged: cached images have another pace than encoded ones."""


@contextmanager
def show_progress(rounds: int, quiet: bool, measures: Measures) -> Iterator[RunCallbacks]:
    """Shows the progress of a run.

    Args:
        rounds: Rounds of each method.
        quiet: Whether to show announcements only.
        measures: Metrics of the task.

    Yields:
        Callbacks for the run.
    """
    from fedsilo.runs.run import RunCallbacks

    console = progress_console()

    def announce(line: str) -> None:
        console.print(make_printable(line), markup=False, highlight=False, soft_wrap=True)

    if quiet:
        yield RunCallbacks(announce=announce)
        return
    if not console.is_terminal:
        lines = Lines(announce, measures)
        yield RunCallbacks(lines, announce=announce, watch=partial(lines.round, rounds))
        return
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(*columns, _Pace(), TextColumn("{task.fields[note]}"), console=console, speed_estimate_period=PACE_S)
    with bars:
        drawing = _Drawing(bars, rounds, measures)
        yield RunCallbacks(drawing.stage, drawing.prepared, announce, drawing.round)


def format_headline(record: RoundRecord, measures: Measures) -> str:
    """Formats a round's headline metric.

    Args:
        record: Record of the round.
        measures: Metrics of the task.

    Returns:
        Such as "local accuracy 71.5 %"; "" where clients were not evaluated.
    """
    value = record.metrics.get(measures.local)
    return "" if value is None else f"local {measures.headline.words} {measures.headline.shown(value)}"


class Lines:
    """Prints the progress of a stage, or of a method's rounds, at most every `EVERY_S` seconds.

    A stage that is shorter has no line.
    """

    def __init__(
        self, write: Callable[[str], None], measures: Measures, clock: Callable[[], float] = monotonic
    ) -> None:
        """Creates the callback.

        Args:
            write: Prints a line.
            measures: Metrics of the task.
            clock: Returns the time in seconds.
        """
        self._write, self._measures, self._clock = write, measures, clock
        self._stage = ""
        self._at, self._done = 0.0, 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Receives the progress of a stage.

        Args:
            stage: Name of the stage.
            done: Finished items.
            total: All items.
        """
        now = self._clock()
        if stage != self._stage:
            self._stage, self._at, self._done = stage, now, done
        elif now - self._at >= EVERY_S:
            speed = (done - self._done) / (now - self._at)
            self._write(f"{stage}: {done:,} of {total:,}{_pace(speed, total - done)}")
            self._at, self._done = now, done

    def round(self, rounds: int, part: str, record: RoundRecord) -> None:
        """Receives a finished round.

        Args:
            rounds: Rounds of each method.
            part: Name of the method.
            record: Record of the round.
        """
        now = self._clock()
        if part != self._stage:
            self._stage, self._at = part, now
        elif now - self._at >= EVERY_S:
            so_far = format_headline(record, self._measures)
            self._write(f"{part}: round {record.round + 1:,} of {rounds:,}{so_far and f', {so_far}'}")
            self._at = now


class _Pace(TextColumn):
    """Images per second and the time left, for stages; nothing for rounds."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        if not task.fields["paced"] or task.finished or not task.speed:
            return Text("")
        return Text(_pace(task.speed, (task.total or 0) - task.completed).removeprefix(", "))


def _pace(speed: float, left: float) -> str:
    """Such as ", 820 a second, 2:05 left"; "" without progress."""
    if speed <= 0:
        return ""
    minutes, seconds = divmod(round(left / speed), 60)
    hours, minutes = divmod(minutes, 60)
    time = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f", {speed:,.{1 if speed < 10 else 0}f} a second, {time} left"


class _Drawing:
    def __init__(self, bars: Progress, rounds: int, measures: Measures) -> None:
        self._bars, self._rounds, self._measures = bars, rounds, measures
        self._tasks: dict[str, TaskID] = {}

    def stage(self, stage: str, done: int, total: int) -> None:
        """Moves the bar of a stage of preparation."""
        self._bars.update(self._task(stage, total, paced=True), completed=done, total=total)

    def prepared(self, prepared: Prepared, folder: Path) -> None:
        """Prints the run's folder and the notices of the data."""
        self._bars.console.print(f"run folder: {make_printable(str(folder))}", markup=False)
        for notice in prepared.notices:
            self._bars.console.print(f"note: {notice}", markup=False)

    def round(self, part: str, record: RoundRecord) -> None:
        """Moves a method's bar by a round and shows its headline metric."""
        total = 1 if part == "zero_shot" else self._rounds
        task = self._task(part, total)
        self._bars.update(task, completed=record.round + 1)
        if note := format_headline(record, self._measures):
            self._bars.update(task, note=note)

    def _task(self, name: str, total: int, paced: bool = False) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, note="", paced=paced)
        return self._tasks[name]
