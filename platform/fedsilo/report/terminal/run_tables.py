"""Tables for the terminal, made from a run's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from fedsilo.core.metrics import LOCAL, NEW, UNSEEN, WORST, Measures, read_measures
from fedsilo.report.terminal.cells import cell

if TYPE_CHECKING:
    from fedsilo.config.key_descriptions import Description
    from fedsilo.partitioning.manifest import Holding
    from fedsilo.report.results.finished_run import Run

PACED = ("simulated s", "late", "offline")
"""Columns of rounds whose time is simulated."""


def results_table(result: Mapping[str, Any]) -> Table:
    """Returns the comparison: chance, zero-shot, references, method; ratios in per cent."""
    rows, measures = result["rows"], read_measures(result)
    names = [name for name in measures.titles if any(row.get(name) is not None for row in rows)]
    title = f"{cell(result['scenario'])}: {measures.unit} ({averaged(result)})"
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    for name in names:
        table.add_column(measures.titles[name], justify="right")
    table.add_column("first", justify="right")
    table.add_column("best*", justify="right")
    timed = any(row.get("simulated_s") is not None for row in rows)
    if timed:
        table.add_column("simulated s", justify="right")
    for row in rows:
        style = "bold" if row["role"] == "method" else None
        cells = [measures.written(name, row.get(name)) for name in names]
        clock = [_rounded(row.get("simulated_s"))] if timed else []
        table.add_row(cell(row["method"]), *cells, *learning(row, measures), *clock, style=style)
    return table


def legend(result: Mapping[str, Any]) -> str:
    """Returns what the columns of a result mean."""
    rows, measures = result["rows"], read_measures(result)
    more = [line for name, line in more_legend(measures).items() if any(row.get(name) is not None for row in rows)]
    own = (
        f"local: mean over clients of the {measures.headline.words} on their own test images, with spread and worst "
        "over clients\nneighbours: on all other clients' images, global: on all images; * picked with the test set, "
        "not a result"
    )
    return "\n".join([own, *more])


def more_legend(measures: Measures) -> dict[str, str]:
    """Returns lines for columns that only some scenarios have, by the measure's name."""
    return {
        measures.of(UNSEEN): "unseen: clients that never train, on their own test images; they count in no other "
        "column",
        measures.of(NEW): "new classes: classes that are not trained on, among these; harmonic: mean of local and new "
        "classes",
        **{LOCAL + metric.name: f"{metric.words}: {metric.meaning}" for metric in measures.metrics[1:]},
    }


def averaged(result: Mapping[str, Any]) -> str:
    """Returns over how many rounds the numbers are means: fewer than were asked for where fewer were evaluated."""
    asked = result["headline"]["last_rounds"]
    rounds = max((row["averaged_rounds"] for row in result["rows"] if row.get("averaged_rounds")), default=asked)
    return "of the last evaluated round" if rounds == 1 else f"mean over the last {rounds} evaluated rounds"


def learning(row: Mapping[str, Any], measures: Measures) -> tuple[str, str]:
    """Returns a row's first value and its best one with the round; both empty where nothing is learned."""
    if (row.get("rounds") or 1) < 2:
        return "", ""
    best = f"{measures.written(measures.local, row.get(measures.best))} ({row.get('best_round')})"
    return measures.written(measures.local, row.get(measures.first)), best


def _rounded(value: Any) -> str:
    """Simulated seconds with four figures that count; empty for None."""
    return "" if _present(value) is None else f"{value:.4g}" if value < 1e4 else f"{value:,.0f}"


def rounds_table(run: Run, newest: int = 20) -> Table:
    """Returns the newest rounds of a run: loss, metrics, bytes, seconds; in simulated time who was late or away."""
    records = run.rounds.to_dict("records")[-newest:]
    timed = any(_present(record.get("clock_s")) is not None for record in records)
    measures = run.scenario.task.measured
    shown = (measures.local, measures.of(WORST))
    table = Table(title=f"{cell(run.folder.name)}: rounds", title_justify="left")
    for title in ("round", "clients", "loss", "local", "worst client", "kB up", "seconds", *PACED[: 3 * timed]):
        table.add_column(title, justify="right")
    for record in records:
        seconds = sum(float(v) for k, v in record.items() if str(k).startswith("seconds.") and v == v)
        table.add_row(
            str(record["round"]),
            str(len(record["participants"])),
            "" if _present(record["loss"]) is None else f"{record['loss']:.4f}",
            *(measures.written(name, record.get(name)) for name in shown),
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
    """Returns each client's share and its headline metric in the last evaluation, beside zero-shot's."""
    metric = run.scenario.task.measured.headline
    table = Table(title=f"{cell(run.folder.name)}: clients, last evaluation", title_justify="left")
    for title in ("client", "domain", "train", "test", "classes", "zero-shot", metric.words):
        table.add_column(title, justify="left" if title == "domain" else "right")
    scores = _last_scores(run.clients, metric.name)
    floor = _last_scores(type(run)(run.folder / "references" / "zero_shot").clients, metric.name)
    for client in run.manifest.clients:
        table.add_row(
            f"{client.number:02d}",
            cell(kind_of(client)),
            str(len(client.train)),
            str(len(client.test)),
            str(sum(1 for count in client.train_classes if count)),
            metric.written(floor.get(client.number)),
            metric.written(scores.get(client.number)),
        )
    return table


def kind_of(client: Holding) -> str:
    """Returns a client's domain and what else sets it apart, in words: "photo, blur 3, unseen"."""
    words = [client.domain or "mixed", client.alteration.partition(" seed ")[0]]
    words += ["own labels"] * bool(client.train_labels or client.test_labels) + ["unseen"] * (not client.seen)
    return ", ".join(word for word in words if word)


def _last_scores(frame: Any, metric: str) -> dict[int, Any]:
    if frame.empty:
        return {}
    last = frame[frame["round"] == frame["round"].max()]
    return {int(c): _present(a) for c, a in zip(last["client"], last[metric], strict=True)}


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
