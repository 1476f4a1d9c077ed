"""Tables as text."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table


def text(table: Table) -> str:
    console = Console(file=io.StringIO(), width=200, emoji=False)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]
