"""Traffic: bytes sent in each round, and the tensors and messages that were sent."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from fedsilo.report.number_formats import format_bytes, pluralize
from fedsilo.report.page.bar_chart import draw_columns, list_bar_legend
from fedsilo.report.page.page_data import MethodRecords, PageData, Record
from fedsilo.report.page.page_elements import Chart, HtmlTable
from fedsilo.report.page.rendering import render

WAYS = ("up", "down")


def draw_traffic(data: PageData) -> Markup:
    """Draws bytes by round and method, and the tensors by name.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    learners = [part for part in reversed(data.learners) if part.rounds]
    if not learners:
        return render("traffic", table=None)
    header = ["method", "up", "down", "up in a round", "up of a client in a round", "exchanges"]
    return render(
        "traffic",
        table=HtmlTable(header, [_totals(part) for part in learners], "Bytes of each method"),
        legend=list_bar_legend(WAYS),
        chart=_chart(learners[0]),
        contents=[_contents(part) for part in learners if part.wire],
    )


def _chart(part: MethodRecords) -> Chart | None:
    stacks = [dict(zip(WAYS, _bytes([record]), strict=True)) for record in part.rounds]
    if not any(sum(stack.values()) for stack in stacks):
        return None
    about = f"{part.name}: bytes in each round, all clients together."
    return Chart(draw_columns(stacks, WAYS, about, format_bytes), about)


def _bytes(records: Sequence[Record]) -> tuple[int, int]:
    """Bytes that rounds sent up and down."""
    up, down = (sum(record.get(f"{way}_bytes", 0) for record in records) for way in ("upload", "download"))
    return up, down


def _totals(part: MethodRecords) -> list[str]:
    up, down = _bytes(part.rounds)
    sent = sum(len(record.get("participants", ())) for record in part.rounds)
    exchanges = sum(record.get("exchanges", 0) for record in part.rounds)
    each = format_bytes(up / sent) if sent else "–"
    return [
        part.name,
        format_bytes(up),
        format_bytes(down),
        format_bytes(up / len(part.rounds)),
        each,
        f"{exchanges:,}",
    ]


def _contents(part: MethodRecords) -> HtmlTable:
    """Everything that was sent, by name: wire.jsonl summed over rounds."""
    totals: dict[tuple[str, str, str, int], int] = {}
    for line in part.wire:
        kind = (str(line.get("stage", "")), str(line.get("direction", "")), _name(line), int(line["bytes_per_client"]))
        totals[kind] = totals.get(kind, 0) + len(line.get("clients", ()))
    body = [
        [stage, way, what, format_bytes(each), f"{count:,}", format_bytes(each * count)]
        for (stage, way, what, each), count in totals.items()
    ]
    shown = sum(each * count for (_, _, _, each), count in totals.items())
    about = f"All that crossed: {part.name}, {pluralize(len(body), 'kind')}, {format_bytes(shown)}"
    return HtmlTable(["stage", "way", "what", "bytes each", "times", "together"], body, about, words=range(3))


def _name(line: Record) -> str:
    """The tensors of a line with shapes and types, then its scalars; or the kind of message."""
    if "message" in line:
        return f"message: {line['message']}"
    tensors = [f"{name} ({'×'.join(map(str, shape))} {kind})" for name, (shape, kind) in line["tensors"].items()]
    return ", ".join([*tensors, *line.get("scalars", ())]) or "nothing"
