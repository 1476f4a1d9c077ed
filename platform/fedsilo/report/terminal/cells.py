"""Texts that rich shows as they are."""

from __future__ import annotations

from rich.markup import escape

from fedsilo.core.printing import make_printable


def cell(text: object) -> str:
    """Returns a text for a table or line of rich: nothing is taken for a mark, nothing is obeyed by a terminal."""
    return escape(make_printable(str(text)))
