"""`fedsilo schema`: the JSON Schema with which editors complete scenario files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fedsilo.cli.output import line


def schema(
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to a file, for example fedsilo.schema.json.")
    ] = None,
) -> None:
    """Print the JSON Schema of scenario files, with which editors complete keys and mark mistakes.

    Args:
        write: The file to write instead; an existing file is replaced.
    """
    from fedsilo.config.editor_schema import make_schema
    from fedsilo.config.starter import SCHEMA_LINE
    from fedsilo.core.state import write_bytes

    text = json.dumps(make_schema(), indent=2, ensure_ascii=False) + "\n"
    if write is None:
        typer.echo(text, nl=False)
        return
    write_bytes(write, text.encode())
    line(f"wrote {write}. First line of a scenario file beside it, for editors: {SCHEMA_LINE}{write.name}")
