"""Tables of components and of their keys for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from fedsilo.report.terminal.cells import cell

if TYPE_CHECKING:
    from fedsilo.config.key_descriptions import Description


def description_table(title: str, rows: Sequence[Description]) -> Table:
    """Draws the keys of a section or component.

    Args:
        title: Title of the table.
        rows: Descriptions of the keys.

    Returns:
        A row per key: type, default, allowed values, meaning.
    """
    table = Table(title=cell(title), title_justify="left")
    for column in ("key", "type", "default", "allowed", "meaning"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell(text) for text in (row.key, row.type, row.default, row.allowed, row.meaning)))
    return table


def listing_table(kind: str, entries: Iterable[tuple[str, str]]) -> Table:
    """Draws names with a line about each.

    Args:
        kind: Title of the table.
        entries: Name and description.

    Returns:
        A row per name.
    """
    table = Table(title=kind, title_justify="left", show_header=False)
    table.add_column("name", style="bold")
    table.add_column("what")
    for name, what in entries:
        table.add_row(cell(name), cell(what))
    return table
