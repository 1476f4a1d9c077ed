"""Where commands write: tables for people on standard output, progress on standard error, JSON for machines."""

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
    """Returns the console for results; without a terminal a fixed width keeps tables whole in logs."""
    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False, soft_wrap=False, emoji=False)


def progress_console() -> Console:
    """Returns the console for progress, on standard error."""
    return Console(stderr=True, highlight=False, emoji=False)


def show(*parts: RenderableType) -> None:
    """Prints tables and lines."""
    out = console()
    for part in parts:
        out.print(part)


def line(text: str) -> None:
    """Prints a line as it is, whatever brackets it has."""
    console().print(make_printable(text, keep="\n"), markup=False, soft_wrap=True)


def remark(text: str) -> None:
    """Prints a line on standard error as it is, whatever brackets it has."""
    progress_console().print(make_printable(text, keep="\n"), markup=False, soft_wrap=True)


def spelled(number: float) -> float | str:
    """Returns a number for JSON where it may be infinite: infinity, which JSON has no number for, is "inf"."""
    return "inf" if math.isinf(number) else number


def seldom(every_s: float, clock: Callable[[], float] = monotonic) -> Callable[[str], None]:
    """Returns what writes a line of progress on standard error, at most one every so many seconds; the first waits."""
    last = clock()

    def write(text: str) -> None:
        nonlocal last
        if clock() - last >= every_s:
            last = clock()
            remark(text)

    return write


def show_json(document: Any) -> None:
    """Prints one JSON document; what is not a number is null, since JSON has no other word for it."""
    from fedsilo.storage.run_folder import plain

    # A letter that the locale lacks would be written as \\xe9 otherwise, which JSON does not know.
    escaped = not (sys.stdout.encoding or "utf").lower().startswith("utf")
    print(json.dumps(plain(document), indent=2, ensure_ascii=escaped, allow_nan=False, default=str))
