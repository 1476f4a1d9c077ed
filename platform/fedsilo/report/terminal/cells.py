"""Text that rich prints without interpreting it."""

from __future__ import annotations

from rich.markup import escape

from fedsilo.core.printing import make_printable


def cell(text: object) -> str:
    """Escapes a text for a table or line of rich.

    Args:
        text: Any object.

    Returns:
        Its text without control characters, and with rich's markup escaped.
    """
    return escape(make_printable(str(text)))
