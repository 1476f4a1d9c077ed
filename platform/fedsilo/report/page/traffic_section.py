"""Bytes: how many crossed in each round, and what they were."""

from __future__ import annotations

from collections.abc import Sequence

from fedsilo.report.page.bar_chart import columns, squares
from fedsilo.report.page.markup import Markup, element, figure, folded, section, table
from fedsilo.report.page.page_data import Material, Part, Record
from fedsilo.report.phrases import several, size

WAYS = ("up", "down")


def traffic(material: Material) -> Markup:
    """Returns bytes by round and method, and the tensors by name."""
    learners = [part for part in reversed(material.learners) if part.rounds]
    if not learners:
        return section("Bytes", element("p", "No round has finished yet."))
    main = learners[0]
    stacks = [dict(zip(WAYS, _bytes([record]), strict=True)) for record in main.rounds]
    pictures: list[Markup] = []
    if any(sum(stack.values()) for stack in stacks):
        about = f"{main.name}: bytes in each round, all clients together."
        pictures = [squares(WAYS), element("div", figure(columns(stacks, WAYS, about, size), about), class_="pictures")]
    return section(
        "Bytes",
        element("p", "Tensors or protocol messages of training: up from clients to the coordinator, down to clients."),
        table(
            ["method", "up", "down", "up in a round", "up of a client in a round", "exchanges"],
            [_totals(part) for part in learners],
            "Bytes of each method",
        ),
        pictures,
        [_contents(part) for part in learners if part.wire],
    )


def _bytes(records: Sequence[Record]) -> tuple[int, int]:
    """Bytes up and down of rounds."""
    up, down = (sum(record.get(f"{way}_bytes", 0) for record in records) for way in ("upload", "download"))
    return up, down


def _totals(part: Part) -> list[str]:
    up, down = _bytes(part.rounds)
    sent = sum(len(record.get("participants", ())) for record in part.rounds)
    exchanges = sum(record.get("exchanges", 0) for record in part.rounds)
    each = size(up / sent) if sent else "–"
    return [part.name, size(up), size(down), size(up / len(part.rounds)), each, f"{exchanges:,}"]


def _contents(part: Part) -> Markup:
    """What crossed, by name: wire.jsonl without its rounds."""
    totals: dict[tuple[str, str, str, int], int] = {}
    for line in part.wire:
        kind = (str(line.get("stage", "")), str(line.get("direction", "")), _named(line), int(line["bytes_per_client"]))
        totals[kind] = totals.get(kind, 0) + len(line.get("clients", ()))
    body = [
        [stage, way, named, size(each), f"{count:,}", size(each * count)]
        for (stage, way, named, each), count in totals.items()
    ]
    shown = sum(each * count for (_, _, _, each), count in totals.items())
    about = f"All that crossed: {part.name}, {several(len(body), 'kind')}, {size(shown)}"
    return folded(
        about, table(["stage", "way", "what", "bytes each", "times", "together"], body, about, words=range(3))
    )


def _named(line: Record) -> str:
    """Tensors with shape and type, then single numbers, or the kind of message."""
    if "message" in line:
        return f"message: {line['message']}"
    tensors = [f"{name} ({'×'.join(map(str, shape))} {kind})" for name, (shape, kind) in line["tensors"].items()]
    return ", ".join([*tensors, *line.get("scalars", ())]) or "nothing"
