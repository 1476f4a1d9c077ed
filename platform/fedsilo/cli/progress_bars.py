"""Live progress of a run: a bar for each stage before the rounds with its pace, one for each method's rounds with the
newest headline metric. Without a terminal: a line on a long stage now and then.
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
"""From one line of a stage to the next, where there is no terminal, seconds."""

PACE_S = 60.0
"""A bar's pace is that of the last so many seconds: images from the cache come at another than those encoded."""


@contextmanager
def live(rounds: int, quiet: bool, measures: Measures) -> Iterator[RunCallbacks]:
    """Yields a listener that draws bars while a run goes on, or lines without a terminal; silent when `quiet`."""
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


def newest(record: RoundRecord, measures: Measures) -> str:
    """Returns a round's headline metric in words: "local accuracy 71.5 %"; "" where clients were not measured."""
    value = record.metrics.get(measures.local)
    return "" if value is None else f"local {measures.headline.words} {measures.headline.shown(value)}"


class Lines:
    """Writes how far a stage is, at most every `EVERY_S`; a stage that is over sooner has no line. Rounds likewise."""

    def __init__(
        self, write: Callable[[str], None], measures: Measures, clock: Callable[[], float] = monotonic
    ) -> None:
        """Takes what writes a line, what a round measures, and what tells the seconds."""
        self._write, self._measures, self._clock = write, measures, clock
        self._stage = ""
        self._at, self._done = 0.0, 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Is told of a stage: so many of all."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._at, self._done = stage, now, done
        elif now - self._at >= EVERY_S:
            speed = (done - self._done) / (now - self._at)
            self._write(f"{stage}: {done:,} of {total:,}{_pace(speed, total - done)}")
            self._at, self._done = now, done

    def round(self, rounds: int, part: str, record: RoundRecord) -> None:
        """Is told of a finished round of a method, of so many."""
        now = self._clock()
        if part != self._stage:
            self._stage, self._at = part, now
        elif now - self._at >= EVERY_S:
            so_far = newest(record, self._measures)
            self._write(f"{part}: round {record.round + 1:,} of {rounds:,}{so_far and f', {so_far}'}")
            self._at = now


class _Pace(TextColumn):
    """Images a second and the time left, for stages; nothing for rounds."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        if not task.fields["paced"] or task.finished or not task.speed:
            return Text("")
        return Text(_pace(task.speed, (task.total or 0) - task.completed).removeprefix(", "))


def _pace(speed: float, left: float) -> str:
    """Such as ", 820 a second, 2:05 left"; empty while nothing moves."""
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
        """Says where the run is, and what is worth knowing about the data."""
        self._bars.console.print(f"run folder: {make_printable(str(folder))}", markup=False)
        for notice in prepared.notices:
            self._bars.console.print(f"note: {notice}", markup=False)

    def round(self, part: str, record: RoundRecord) -> None:
        """Moves a method's bar by a round and shows its headline metric."""
        total = 1 if part == "zero_shot" else self._rounds
        task = self._task(part, total)
        self._bars.update(task, completed=record.round + 1)
        if note := newest(record, self._measures):
            self._bars.update(task, note=note)

    def _task(self, name: str, total: int, paced: bool = False) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, note="", paced=paced)
        return self._tasks[name]
