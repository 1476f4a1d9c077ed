"""Output of the commands: tables on standard output, progress on standard error, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

from rich.console import Console, RenderableType

from fedsilo.core.printing import make_printable

WIDTH_WITHOUT_TERMINAL = 110


def console() -> Console:
    """Creates the console for results. Without a terminal it has a fixed width, so that logs contain whole tables.

    Returns:
        The console.
    """
    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False, soft_wrap=False, emoji=False)


def progress_console() -> Console:
    """Creates the console for progress, on standard error.

    Returns:
        The console.
    """
    return Console(stderr=True, highlight=False, emoji=False)


def show(*parts: RenderableType) -> None:
    """Prints tables and lines.

    Args:
        *parts: Tables and lines, from rich.
    """
    out = console()
    for part in parts:
        out.print(part)


def line(text: str) -> None:
    """Prints a line without interpreting its brackets.

    Args:
        text: The line.
    """
    console().print(make_printable(text, keep="\n"), markup=False, soft_wrap=True)


def remark(text: str) -> None:
    """Prints a line on standard error without interpreting its brackets.

    Args:
        text: The line.
    """
    progress_console().print(make_printable(text, keep="\n"), markup=False, soft_wrap=True)


def spell_infinity(number: float) -> float | str:
    """Converts a number for JSON, which has no infinity.

    Args:
        number: The number.

    Returns:
        The number; "inf" where it is infinite.
    """
    return "inf" if math.isinf(number) else number


def limit_rate(every_s: float, clock: Callable[[], float] = monotonic) -> Callable[[str], None]:
    """Limits lines of progress on standard error.

    Args:
        every_s: Seconds between two lines, and before the first line.
        clock: Returns the time in seconds.

    Returns:
        A function that prints a line, or drops it where the last line is too recent.
    """
    last = clock()

    def write(text: str) -> None:
        nonlocal last
        if clock() - last >= every_s:
            last = clock()
            remark(text)

    return write


def show_json(document: Any) -> None:
    """Prints a JSON document. A number that is not finite becomes null.

    Args:
        document: The document.
    """

    from fedsilo.storage.run_folder import to_json_value

    # A letter that the locale lacks would otherwise be written as \\xe9, which is not JSON.
    escaped = not (sys.stdout.encoding or "utf").lower().startswith("utf")
    print(json.dumps(to_json_value(document), indent=2, ensure_ascii=escaped, allow_nan=False, default=str))
