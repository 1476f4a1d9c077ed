"""Tables for the terminal, made from a run's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from fedsilo.report.cells import cell

if TYPE_CHECKING:
    from fedsilo.manifest import Holding
    from fedsilo.results.reading import Run
    from fedsilo.scenario.describing import Description

LEGEND = (
    "local: mean over clients of the accuracy on their own test images, with spread and worst over clients\n"
    "neighbours: on all other clients' images, global: on all images; * picked with the test set, not a result"
)

TITLES = {
    "local_accuracy": "local",
    "local_spread": "spread",
    "worst_accuracy": "worst",
    "neighbour_accuracy": "neighbours",
    "global_accuracy": "global",
    "unseen_accuracy": "unseen",
    "new_accuracy": "new classes",
    "harmonic_accuracy": "harmonic",
}

PACED = ("simulated s", "late", "offline")
"""Columns of rounds whose time is simulated."""

MORE_LEGEND = {
    "unseen_accuracy": "unseen: clients that never train, on their own test images; they count in no other column",
    "new_accuracy": "new classes: classes that nobody trains on, among these; harmonic: mean of local and new classes",
}
"""Lines for columns that only some scenarios have."""


def results_table(result: Mapping[str, Any]) -> Table:
    """Returns the comparison: chance, zero-shot, references, method; accuracies in per cent."""
    rows = result["rows"]
    measures = [m for m in TITLES if any(row.get(m) is not None for row in rows)]
    table = Table(title=f"{cell(result['scenario'])}: accuracy in % ({averaged(result)})", title_justify="left")
    table.add_column("method")
    for measure in measures:
        table.add_column(TITLES[measure], justify="right")
    table.add_column("first", justify="right")
    table.add_column("best*", justify="right")
    timed = any(row.get("simulated_s") is not None for row in rows)
    if timed:
        table.add_column("simulated s", justify="right")
    for row in rows:
        style = "bold" if row["role"] == "method" else None
        cells = [percent(row.get(measure)) for measure in measures]
        clock = [_rounded(row.get("simulated_s"))] if timed else []
        table.add_row(cell(row["method"]), *cells, *learning(row), *clock, style=style)
    return table


def legend(result: Mapping[str, Any]) -> str:
    """Returns what the columns of a result mean."""
    rows = result["rows"]
    more = [line for measure, line in MORE_LEGEND.items() if any(row.get(measure) is not None for row in rows)]
    return "\n".join([LEGEND, *more])


def averaged(result: Mapping[str, Any]) -> str:
    """Returns over how many rounds the numbers are means: fewer than were asked for where fewer were evaluated."""
    asked = result["headline"]["last_rounds"]
    rounds = max((row["averaged_rounds"] for row in result["rows"] if row.get("averaged_rounds")), default=asked)
    return "of the last evaluated round" if rounds == 1 else f"mean over the last {rounds} evaluated rounds"


def learning(row: Mapping[str, Any]) -> tuple[str, str]:
    """Returns a row's first accuracy and its best one with the round; both empty where nothing is learnt."""
    if (row.get("rounds") or 1) < 2:
        return "", ""
    best = f"{percent(row.get('best_local_accuracy'))} ({row.get('best_round')})"
    return percent(row.get("first_local_accuracy")), best


def percent(value: Any) -> str:
    """Returns an accuracy in [0, 1] as per cent with one decimal; empty for None."""
    return "" if value is None else f"{100 * float(value):.1f}"


def _rounded(value: Any) -> str:
    """Simulated seconds with four figures that count; empty for None."""
    return "" if _present(value) is None else f"{value:.4g}" if value < 1e4 else f"{value:,.0f}"


def rounds_table(run: Run, newest: int = 20) -> Table:
    """Returns the newest rounds of a run: loss, accuracies, bytes, seconds; in simulated time who was late or away."""
    records = run.rounds.to_dict("records")[-newest:]
    timed = any(_present(record.get("clock_s")) is not None for record in records)
    table = Table(title=f"{cell(run.folder.name)}: rounds", title_justify="left")
    for title in ("round", "clients", "loss", "local", "worst client", "kB up", "seconds", *PACED[: 3 * timed]):
        table.add_column(title, justify="right")
    for record in records:
        seconds = sum(float(v) for k, v in record.items() if str(k).startswith("seconds.") and v == v)
        table.add_row(
            str(record["round"]),
            str(len(record["participants"])),
            "" if _present(record["loss"]) is None else f"{record['loss']:.4f}",
            percent(_present(record["local_accuracy"])),
            percent(_present(record["worst_accuracy"])),
            f"{record['upload_bytes'] / 1000:.1f}",
            f"{seconds:.2f}",
            *(
                [_rounded(record.get("clock_s")), str(len(record["late"])), str(len(record["offline"]))]
                if timed
                else []
            ),
        )
    return table


def slowest_line(run: Run) -> str:
    """Returns who was slowest in the newest round that tells: "slowest: client 07, 2.3 s of 2.9 s ..."; "" for none."""
    told = [record for record in run.rounds.to_dict("records") if _present(record.get("slowest.client")) is not None]
    if not told:
        return ""
    last = told[-1]
    return (
        f"slowest: client {int(last['slowest.client']):02d}, {last['slowest.seconds']:.2g} s of "
        f"{last['seconds.train']:.2g} s of training in round {last['round']}; "
        f"half of the clients took up to {last['slowest.median']:.2g} s"
    )


def _present(value: Any) -> Any:
    return None if value is None or value != value else value


def clients_table(run: Run) -> Table:
    """Returns each client's share and its accuracy in the last evaluation, beside zero-shot's."""
    table = Table(title=f"{cell(run.folder.name)}: clients, last evaluation", title_justify="left")
    for title in ("client", "domain", "train", "test", "classes", "zero-shot", "accuracy"):
        table.add_column(title, justify="left" if title == "domain" else "right")
    scores = _last_scores(run.clients)
    floor = _last_scores(type(run)(run.folder / "references" / "zero_shot").clients)
    for client in run.manifest.clients:
        table.add_row(
            f"{client.number:02d}",
            cell(kind_of(client)),
            str(len(client.train)),
            str(len(client.test)),
            str(sum(1 for count in client.train_classes if count)),
            percent(floor.get(client.number)),
            percent(scores.get(client.number)),
        )
    return table


def kind_of(client: Holding) -> str:
    """Returns a client's domain and what else sets it apart, in words: "photo, blur 3, unseen"."""
    words = [client.domain or "mixed", client.alteration.partition(" seed ")[0]]
    words += ["own labels"] * bool(client.train_labels or client.test_labels) + ["unseen"] * (not client.seen)
    return ", ".join(word for word in words if word)


def _last_scores(frame: Any) -> dict[int, Any]:
    if frame.empty:
        return {}
    last = frame[frame["round"] == frame["round"].max()]
    return {int(c): _present(a) for c, a in zip(last["client"], last["accuracy"], strict=True)}


def description_table(title: str, rows: Sequence[Description]) -> Table:
    """Returns the keys of a section or component: type, default, meaning."""
    table = Table(title=cell(title), title_justify="left")
    for column in ("key", "type", "default", "allowed", "meaning"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell(text) for text in (row.key, row.type, row.default, row.allowed, row.meaning)))
    return table


def listing(kind: str, entries: Iterable[tuple[str, str]]) -> Table:
    """Returns names with a line about each."""
    table = Table(title=kind, title_justify="left", show_header=False)
    table.add_column("name", style="bold")
    table.add_column("what")
    for name, what in entries:
        table.add_row(cell(name), cell(what))
    return table
