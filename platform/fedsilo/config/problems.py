"""Problems of a scenario: collected while it is read, each with its place, and raised together."""

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
        layer: Position among the layers of the scenario; later layers win.
        written: The value's characters in the file, before YAML interprets them.
    """

    source: str
    line: int = 0
    layer: int = 0
    written: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(slots=True)
class Problems:
    """All problems of one scenario.

    Attributes:
        hopeless: Whether a source could not be read, so that nothing is known of the rest.
        notices: What a user should change although it still works, one line each.
    """

    hopeless: bool = False
    notices: list[str] = field(default_factory=list)
    _found: list[tuple[SourcePlace, KeyPath, str]] = field(default_factory=list)

    def add(self, place: SourcePlace, path: KeyPath, what: str) -> None:
        """Notes a problem.

        Args:
            place: Where the value was written.
            path: Key path of the value; empty for the whole source.
            what: What is wrong.
        """
        self._found.append((place, path, what))

    def give_up(self, place: SourcePlace, path: KeyPath, what: str) -> None:
        """Notes that a source cannot be read.

        Args:
            place: The source.
            path: Key path that names the source; empty for the source itself.
            what: What is wrong.
        """
        self.add(place, path, what)
        self.hopeless = True

    def notify(self, place: SourcePlace, what: str) -> None:
        """Notes an old name, which still works.

        Args:
            place: Where it was written.
            what: The old name and the new one.
        """
        line = _one_line(str(place), f"{what}. Rename it.")
        if line not in self.notices:
            self.notices.append(line)

    def about(self, path: KeyPath) -> bool:
        """Checks for a known problem at a key path, or inside it.

        Args:
            path: The key path.

        Returns:
            True if there is one.
        """
        return any(other[: len(path)] == path for _, other, _ in self._found)

    def lines(self) -> list[str]:
        """Returns one line per problem, in the order of the files; problems without a line number come last."""
        ordered = sorted(self._found, key=lambda found: (found[0].layer, found[0].line or float("inf")))
        return [_one_line(str(place), join_path(path), what) for place, path, what in ordered]

    def refuse(self) -> None:
        """Raises the problems, if there are any.

        Raises:
            ScenarioError: With every problem.
        """
        lines = list(dict.fromkeys(self.lines()))
        if lines:
            raise ScenarioError(lines[0], lines)


def _one_line(*parts: str) -> str:
    """Joins the parts that are not empty to one line; line breaks in file names or values are escaped."""
    line = ": ".join(part for part in parts if part)
    line = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."
    return make_printable(line)


def join_path(path: KeyPath) -> str:
    """Writes a key path as on the command line.

    Args:
        path: The key path.

    Returns:
        Its keys, joined by dots.
    """
    return ".".join(str(part)[:80] for part in path)


def show_value(value: object) -> str:
    """Formats a value for a message: words as YAML writes them (true, null), long values shortened.

    Args:
        value: The value.

    Returns:
        The text.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        return "a number of thousands of digits"


def suggest_nearest(word: object, known: Iterable[str]) -> str:
    """Suggests the most similar of the known words.

    Args:
        word: The word that was written.
        known: The known words.

    Returns:
        " Did you mean 'x'?", or "" when none is similar.
    """
    found = difflib.get_close_matches(str(word)[:80], list(known), n=1, cutoff=0.6)
    return f" Did you mean '{found[0]}'?" if found else ""


def find_name_problems(name: str) -> list[str]:
    """Checks a scenario's name, which becomes the name of run folders and actors.

    Args:
        name: The name.

    Returns:
        One line if it is not allowed, else none.
    """
    if _NAME.fullmatch(name):
        return []
    return [f"name: must be 1 to 100 letters, digits, '-', '_' or '.', no spaces, got {show_value(name)}."]
