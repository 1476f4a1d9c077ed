"""Table of a comparison, for the terminal, as Markdown and as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from fedsilo.core.metrics import GLOBAL, NEIGHBOUR, Measures
from fedsilo.report.results.comparison_rows import ComparisonRow, ComparisonRows
from fedsilo.report.terminal.cells import cell
from fedsilo.report.terminal.run_tables import SELECTED_LEGEND, optional_legend


def comparison_table(standings: ComparisonRows) -> Table:
    """Draws the table for the terminal.

    Args:
        standings: The comparison.

    Returns:
        A table with one row per method and varied setting.
    """
    table = Table(title=f"{cell(standings.title)}: {standings.measures.unit}", title_justify="left")
    left = _count_name_columns(standings)
    for number, title in enumerate(list_titles(standings)):
        table.add_column(cell(title), justify="left" if number < left else "right")
    for row in standings.rows:
        table.add_row(*map(cell, format_row(standings, row)), style=None if row.floor else "bold")
    return table


def to_markdown(standings: ComparisonRows) -> str:
    """Writes the table as Markdown.

    Args:
        standings: The comparison.

    Returns:
        The Markdown table.
    """
    left, titles = _count_name_columns(standings), list_titles(standings)
    rule = ["---" if number < left else "---:" for number in range(len(titles))]
    return "".join(_line(row) for row in (titles, rule, *(format_row(standings, row) for row in standings.rows)))


def _line(texts: Sequence[str]) -> str:
    escaped = (text.replace("|", "\\|") for text in texts)
    return f"| {' | '.join(escaped)} |\n"


def to_document(standings: ComparisonRows) -> str:
    """Writes table, legend, notes and failures as a Markdown document.

    Args:
        standings: The comparison.

    Returns:
        The document.
    """
    lines = [*standings.notes, *(f"failed: {line}" for line in standings.failures)]
    points = "".join(f"- {line}\n" for line in lines)
    return f"# {standings.title}\n\n{to_markdown(standings)}\n{comparison_legend(standings)}\n\n{points}"


def comparison_legend(standings: ComparisonRows) -> str:
    """Explains the columns.

    Args:
        standings: The comparison.

    Returns:
        The legend, one or more lines.
    """
    measures = standings.measures
    more = optional_legend(measures)
    own = (
        f"{measures.unit}, mean ± standard deviation over seeds; local: mean over clients of the "
        f"{measures.headline.words} on their own test images, with spread and worst over clients; neighbours: on all "
        "other clients' images; global: on all images; * the best round, picked with the test set, not a result"
    )
    more[measures.selected] = SELECTED_LEGEND
    return "; ".join([own, *(more[name] for name in _names(standings) if name in more)])


def _titles(measures: Measures) -> dict[str, str]:
    return {**measures.titles, measures.selected: "selected", measures.best: "best*"}


def to_csv(standings: ComparisonRows) -> str:
    """Writes all numbers as CSV.

    Args:
        standings: The comparison.

    Returns:
        Ratios in [0, 1], deviations as `<measure>_std`, seeds separated by spaces.
    """
    frame = standings.frame
    frame["seeds"] = [" ".join(map(str, row.seeds)) for row in standings.rows]
    frame["failed"] = ["; ".join(f"seed {seed}: {why}" for seed, why in row.failed.items()) for row in standings.rows]
    return str(frame.to_csv(index=False, lineterminator="\n"))


def list_titles(standings: ComparisonRows) -> list[str]:
    """Lists the titles of the columns.

    Args:
        standings: The comparison.

    Returns:
        The titles in order.
    """
    ground = ["ground"] if len(standings.grounds) > 1 else []
    titles = _titles(standings.measures)
    return ["method", *_short(standings.varied), *ground, *(titles[name] for name in _names(standings)), "seeds"]


def _short(keys: Sequence[str]) -> list[str]:
    """The last words of dotted keys, where the last word is unique and clear."""
    last = [key.rpartition(".")[2] for key in keys]
    return [
        word if last.count(word) == 1 and word not in ("name", "mode") else key
        for word, key in zip(last, keys, strict=True)
    ]


def format_row(standings: ComparisonRows, row: ComparisonRow) -> list[str]:
    """Formats a row.

    Args:
        standings: The comparison.
        row: One of its rows.

    Returns:
        A text for each column.
    """
    ground = [row.ground] if len(standings.grounds) > 1 else []
    varied = [row.varied.get(key, "") for key in standings.varied]
    values = [_value(row, name, standings.measures) for name in _names(standings)]
    if not row.seeds:
        values[:1] = ["failed"]
    asked = len({*row.seeds, *row.failed})
    seeds = f"{len(row.seeds)} of {asked}" if row.failed else str(asked)
    return [row.method, *varied, *ground, *values, seeds]


def _value(row: ComparisonRow, name: str, measures: Measures) -> str:
    text = measures.written(name, row.mean.get(name))
    deviation = row.deviation.get(name)
    with_deviation = (measures.local, measures.of(NEIGHBOUR), measures.of(GLOBAL))
    if deviation is None or name not in with_deviation or row.method == "chance":
        return text
    return f"{text} ± {measures.written(name, deviation)}"


def _names(standings: ComparisonRows) -> list[str]:
    """The measures that any row has, and always the local one."""
    local = standings.measures.local
    return [n for n in _titles(standings.measures) if n == local or any(n in row.mean for row in standings.rows)]


def _count_name_columns(standings: ComparisonRows) -> int:
    """Number of columns that hold names, not numbers."""
    return 1 + len(standings.varied) + (len(standings.grounds) > 1)
