"""Problems of a scenario: gathered while it is read, each with its place, raised together."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from fedsilo.core.errors import ScenarioError
from fedsilo.core.printing import make_printable

KeyPath = tuple[str | int, ...]
"""Keys from the top of the scenario down to a value."""

LONGEST_LINE = 1000

_NAME = re.compile(r"\w[\w.\-]{0,99}")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """Where a value was written.

    Attributes:
        source: The file, or "command line".
        line: Line in the file, from 1; 0 where there is none.
        layer: Position among what the scenario is made of; later layers win.
        written: The value's own characters, before YAML made something of them.
    """

    source: str
    line: int = 0
    layer: int = 0
    written: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(slots=True)
class Problems:
    """All that is wrong with one scenario.

    Attributes:
        hopeless: Whether a source could not be read, so that nothing can be said about the rest.
    """

    hopeless: bool = False
    _found: list[tuple[SourcePlace, KeyPath, str]] = field(default_factory=list)

    def add(self, place: SourcePlace, path: KeyPath, what: str) -> None:
        """Notes what is wrong with the value at a key path; an empty path means the whole source."""
        self._found.append((place, path, what))

    def give_up(self, place: SourcePlace, path: KeyPath, what: str) -> None:
        """Notes that a source cannot be read."""
        self.add(place, path, what)
        self.hopeless = True

    def about(self, path: KeyPath) -> bool:
        """Whether something is known to be wrong at a key path, or inside it."""
        return any(other[: len(path)] == path for _, other, _ in self._found)

    def lines(self) -> list[str]:
        """Returns one line per problem, in the order of the files; what has no line of its own comes last."""
        ordered = sorted(self._found, key=lambda found: (found[0].layer, found[0].line or float("inf")))
        return [_one_line(str(place), join_path(path), what) for place, path, what in ordered]

    def refuse(self) -> None:
        """Raises a ScenarioError with every problem, if there is any."""
        lines = list(dict.fromkeys(self.lines()))
        if lines:
            raise ScenarioError(lines[0], lines)


def _one_line(*parts: str) -> str:
    """The parts that say something as one line, even where a file name or a value has line breaks in it."""
    line = ": ".join(part for part in parts if part)
    line = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."
    return make_printable(line)


def join_path(path: KeyPath) -> str:
    """Returns a key path as one writes it on the command line."""
    return ".".join(str(part)[:80] for part in path)


def show_value(value: object) -> str:
    """Returns a value as it stands in a message: as YAML writes words like true, shortened when it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        return "a number of thousands of digits"


def suggest_nearest(word: object, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the most similar of the known words, or "" when none is."""
    found = difflib.get_close_matches(str(word)[:80], list(known), n=1, cutoff=0.6)
    return f" Did you mean '{found[0]}'?" if found else ""


def find_name_problems(name: str) -> list[str]:
    """Returns what is wrong with a scenario's name, which becomes that of run folders and actors."""
    if _NAME.fullmatch(name):
        return []
    return [f"name: must be 1 to 100 letters, digits, '-', '_' or '.', no spaces, got {show_value(name)}."]
