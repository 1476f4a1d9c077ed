"""Composes the text of the starter scenario from the descriptions of all keys.

After a key has changed, `python -m fedsilo.config.starter_text` writes the file again; a test compares the two.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from fedsilo.config.key_descriptions import Description, describe
from fedsilo.config.schema import CONTRACTS, SECTIONS, USUAL
from fedsilo.config.starter import FILE, STUDY

LINE = 110  # characters

SUITED = {"training.optimizer.learning_rate": "0.02", "partition.label": "{name: dirichlet, beta: 0.5}"}
"""Values that suit fedsilo-tiny where the default is meant for other models, and clients that differ: what federated
learning is about."""

FIRST = ("data", "backbone", "partition", "method", "training")
"""Sections that a newcomer changes; the others are there as comments."""


def compose() -> str:
    """Composes the text of the starter scenario from the descriptions of all keys.

    Returns:
        The text of a YAML file.
    """
    rest = "\n".join(f"# {line}" for section in SECTIONS if section not in FIRST for line in _section(section))
    parts = [
        f"# A fedsilo scenario.\n"
        f"#   fedsilo validate {STUDY}.yaml    says what is wrong with it\n"
        f"#   fedsilo run {STUDY}.yaml         runs it; add key=value to change something for one run\n"
        f"# A key that is left out has its default; `fedsilo describe` explains every key.",
        "\n".join(_lines("", [_heading(row) for row in describe("scenario")[:2]])),
        *("\n".join(_section(section)) for section in FIRST),
        f"# What follows is usual as it is. Take the first '# ' away to change it.\n#\n{rest}",
    ]
    return "\n\n".join(parts) + "\n"


def _heading(row: Description) -> Description:
    default = STUDY if row.key == "name" else row.default
    return Description(row.key, row.type, default, row.allowed, row.meaning)


def _section(section: str) -> list[str]:
    """Writes the lines of one section; a component's heading names the other ones."""
    if section not in CONTRACTS:
        about = next(row.meaning for row in describe("scenario") if row.key == section)
        return [f"{section}:  # {about}", *_lines(f"{section}.", describe(section))]
    others = ", ".join(row.key for row in describe(section) if row.key != USUAL[section])
    head = (
        list(_heading_lines(section, f"Others: {others}; see `fedsilo describe {section}`."))
        if others
        else [f"{section}:"]
    )
    return [*head, *_lines(f"{section}.", describe(section, USUAL[section]))]


def _heading_lines(section: str, note: str) -> Iterator[str]:
    """Writes the section's name with the note behind it, or below it where the line would be long."""
    if len(section) + len(note) < LINE:
        yield f"{section}:  # {note}"
        return
    yield f"{section}:"
    yield from textwrap.wrap(note, LINE, initial_indent="  # ", subsequent_indent="  # ")


def _lines(prefix: str, rows: list[Description]) -> Iterator[str]:
    """Writes one line per key, indented below the section, and one for each section inside it."""
    indent = "  " if prefix else ""
    opened = ""
    for row in rows:
        inner, _, key = row.key.removeprefix(prefix).rpartition(".")
        if "<" in inner:
            continue
        if inner != opened and inner:
            yield f"{indent}{inner}:"
        opened = inner
        yield from _line(row, f"{indent}{'  ' if inner else ''}", key)


def _line(row: Description, indent: str, key: str) -> Iterator[str]:
    """Writes the key with its meaning behind it, or above it where the line would be long."""
    setting = f"{indent}{key}: {SUITED.get(row.key, row.default)}"
    note = f"{row.meaning} {_limits(row)}".strip()
    if not note:
        yield setting
    elif len(setting) + len(note) < LINE:
        yield f"{setting}  # {note}"
    else:
        yield from textwrap.wrap(note, LINE, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        yield setting


def _limits(row: Description) -> str:
    if not row.allowed or row.allowed == row.default:
        return ""
    return f"One of {row.allowed}." if row.type in ("word", "name", "name, or section") else f"Must be {row.allowed}."


if __name__ == "__main__":
    FILE.write_text(compose(), encoding="utf-8")
