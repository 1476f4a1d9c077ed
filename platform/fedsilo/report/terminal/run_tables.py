"""Tables of a run's records for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from fedsilo.core.metrics import LOCAL, NEW, UNSEEN, WORST, Measures, read_measures
from fedsilo.report.terminal.cells import cell

if TYPE_CHECKING:
    from fedsilo.partitioning.client_holdings import ClientHoldings
    from fedsilo.report.results.finished_run import Run

SELECTED_LEGEND = "selected: local, in the round with the best mean over clients on the validation images"
"""Explains the column of the round that validation images select."""

PACED = ("simulated s", "late", "offline")
"""Additional columns of rounds with simulated time."""


def results_table(result: Mapping[str, Any]) -> Table:
    """Draws the comparison of a run.

    Args:
        result: Document of result.json.

    Returns:
        A row for chance, zero-shot, each reference and the method; ratios in per cent.
    """
    rows, measures = result["rows"], read_measures(result)
    names = [name for name in measures.titles if any(row.get(name) is not None for row in rows)]
    title = f"{cell(result['scenario'])}: {measures.unit} ({describe_averaged_rounds(result)})"
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    for name in names:
        table.add_column(measures.titles[name], justify="right")
    table.add_column("first", justify="right")
    table.add_column("best*", justify="right")
    selected = any(row.get("selected_round") is not None for row in rows)
    if selected:
        table.add_column("selected", justify="right")
    timed = any(row.get("simulated_s") is not None for row in rows)
    if timed:
        table.add_column("simulated s", justify="right")
    for row in rows:
        style = "bold" if row["role"] == "method" else None
        cells = [measures.written(name, row.get(name)) for name in names]
        clock = [_format_clock(row.get("simulated_s"))] if timed else []
        chosen = [format_selected(row, measures)] if selected else []
        table.add_row(cell(row["method"]), *cells, *format_learning(row, measures), *chosen, *clock, style=style)
    return table


def results_legend(result: Mapping[str, Any]) -> str:
    """Explains the columns of a result.

    Args:
        result: Document of result.json.

    Returns:
        The legend, one or more lines.
    """
    rows, measures = result["rows"], read_measures(result)
    more = [line for name, line in optional_legend(measures).items() if any(row.get(name) is not None for row in rows)]
    own = (
        f"local: mean over clients of the {measures.headline.words} on their own test images, with spread and worst "
        "over clients\nneighbours: on all other clients' images, global: on all images; * picked with the test set, "
        "not a result"
    )
    if any(row.get("selected_round") is not None for row in rows):
        more.append(SELECTED_LEGEND)
    return "\n".join([own, *more])


def optional_legend(measures: Measures) -> dict[str, str]:
    """Explains columns that only some scenarios have.

    Args:
        measures: Metrics of the task.

    Returns:
        A line by the name of its measure.
    """
    return {
        measures.of(UNSEEN): "unseen: clients that never train, on their own test images; they count in no other "
        "column",
        measures.of(NEW): "new classes: classes that are not trained on, among these; harmonic: mean of local and new "
        "classes",
        **{
            LOCAL + metric.name: f"{metric.title or metric.words}: {metric.meaning}"
            for metric in measures.metrics[1:]
            if metric.column
        },
    }


def describe_averaged_rounds(result: Mapping[str, Any]) -> str:
    """Describes over how many rounds the numbers of a result are means.

    Args:
        result: Document of result.json.

    Returns:
        A phrase. It names fewer rounds than the scenario asks for where fewer were evaluated.
    """
    asked = result["headline"]["last_rounds"]
    rounds = max((row["averaged_rounds"] for row in result["rows"] if row.get("averaged_rounds")), default=asked)
    return "of the last evaluated round" if rounds == 1 else f"mean over the last {rounds} evaluated rounds"


def format_learning(row: Mapping[str, Any], measures: Measures) -> tuple[str, str]:
    """Formats the first and the best value of a row.

    Args:
        row: Row of a result.
        measures: Metrics of the task.

    Returns:
        The first value, and the best value with its round; both "" for a method that does not train.
    """
    if (row.get("rounds") or 1) < 2:
        return "", ""
    best = f"{measures.written(measures.local, row.get(measures.best))} ({row.get('best_round')})"
    return measures.written(measures.local, row.get(measures.first)), best


def format_selected(row: Mapping[str, Any], measures: Measures) -> str:
    """Formats the value of the round that validation images select.

    Args:
        row: Row of a result.
        measures: Metrics of the task.

    Returns:
        The value with its round; "" for a method that does not train, and without validation images.
    """
    if (row.get("rounds") or 1) < 2 or row.get("selected_round") is None:
        return ""
    return f"{measures.written(measures.local, row.get(measures.selected))} ({row['selected_round']})"


def _format_clock(value: Any) -> str:
    """Simulated seconds with four significant figures; "" for None."""
    return "" if _present(value) is None else f"{value:.4g}" if value < 1e4 else f"{value:,.0f}"


def rounds_table(run: Run, newest: int = 20) -> Table:
    """Draws the newest rounds of a run.

    Args:
        run: The run.
        newest: Most rounds of the table.

    Returns:
        Loss, metrics, bytes and seconds of each round; with simulated time also late and offline clients.
    """
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
                [_format_clock(record.get("clock_s")), str(len(record["late"])), str(len(record["offline"]))]
                if timed
                else []
            ),
        )
    return table


def slowest_line(run: Run) -> str:
    """Describes the slowest client of the newest round that records one.

    Args:
        run: The run.

    Returns:
        Such as "slowest: client 07, 2.3 s of 2.9 s ..."; "" where no round records it.
    """
    records = [record for record in run.rounds.to_dict("records") if _present(record.get("slowest.client")) is not None]
    if not records:
        return ""
    last = records[-1]
    return (
        f"slowest: client {int(last['slowest.client']):02d}, {last['slowest.seconds']:.2g} s of "
        f"{last['seconds.train']:.2g} s of training in round {last['round']}; "
        f"half of the clients took up to {last['slowest.median']:.2g} s"
    )


def _present(value: Any) -> Any:
    return None if value is None or value != value else value


def clients_table(run: Run) -> Table:
    """Draws the clients of a run.

    Args:
        run: The run.

    Returns:
        Images and headline metric of each client in the last evaluation, beside zero-shot's.
    """
    metric = run.scenario.task.measured.headline
    table = Table(title=f"{cell(run.folder.name)}: clients, last evaluation", title_justify="left")
    for title in ("client", "domain", "train", "test", "classes", "zero-shot", metric.words):
        table.add_column(title, justify="left" if title == "domain" else "right")
    scores = _last_scores(run.clients, metric.name)
    floor = _last_scores(type(run)(run.folder / "references" / "zero_shot").clients, metric.name)
    for client in run.manifest.clients:
        table.add_row(
            f"{client.number:02d}",
            cell(describe_client(client)),
            str(len(client.train)),
            str(len(client.test)),
            str(sum(1 for count in client.train_classes if count)),
            metric.written(floor.get(client.number)),
            metric.written(scores.get(client.number)),
        )
    return table


def describe_client(client: ClientHoldings) -> str:
    """Describes a client's domain and what else distinguishes it.

    Args:
        client: The client in the manifest.

    Returns:
        Such as "photo, blur 3, unseen".
    """
    words = [client.domain or "mixed", client.alteration.partition(" seed ")[0]]
    words += ["own labels"] * bool(client.train_labels or client.test_labels) + ["unseen"] * (not client.seen)
    return ", ".join(word for word in words if word)


def _last_scores(frame: Any, metric: str) -> dict[int, Any]:
    if frame.empty:
        return {}
    last = frame[frame["round"] == frame["round"].max()]
    return {int(c): _present(a) for c, a in zip(last["client"], last[metric], strict=True)}
