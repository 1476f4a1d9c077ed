"""Headline metric and loss of all methods over rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from markupsafe import Markup

from fedsilo.core.metrics import GLOBAL, LOCAL, NEW, UNSEEN, WORST
from fedsilo.report.number_formats import capitalize_first, format_number
from fedsilo.report.page.line_chart import MARKED, ChartLine, Level, draw_curves, list_line_legend
from fedsilo.report.page.page_data import MethodRecords, PageData
from fedsilo.report.page.page_elements import Chart, HtmlTable
from fedsilo.report.page.rendering import render

VIEWS = {
    WORST: "Worst client",
    UNSEEN: "Unseen clients: they never train",
    NEW: "New classes: not trained on",
    GLOBAL: "Global: all clients' test images",
}


def draw_learning(data: PageData) -> Markup:
    """Draws the curves of all methods.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    learners = [part for part in data.learners if part.evaluated]
    title = f"{capitalize_first(data.measures.headline.words)} over rounds"
    if not learners:
        return render("learning", title=title, charts=[])
    names = [(part.name, data.style_of(part)) for part in reversed(learners)]
    levels = [level.name for level in _levels(data, data.measures.local)]
    return render(
        "learning",
        title=title,
        marked=max(len(part.rounds) for part in learners) <= MARKED,
        legend=list_line_legend(names, levels),
        charts=list(_charts(data, learners)),
        numbers=_numbers(learners),
    )


def _charts(data: PageData, learners: Sequence[MethodRecords]) -> Iterator[Chart]:
    measures, metric = data.measures, data.measures.headline
    local, tick = measures.local, metric.tick
    levels = _levels(data, local)
    yield _curves(data, learners, local, levels, f"Local {metric.words}, mean over clients", tick)
    closer = [level for level in levels if level.name != "chance"]
    if len(levels) > len(closer) and len(learners[-1].rounds) > 1:
        yield _curves(data, learners, local, closer, "The same from nearby, without chance", tick)
    others = {
        LOCAL + other.name: f"Local {other.words}, mean over clients" for other in measures.metrics[1:] if other.column
    }
    for measure, about in ({measures.of(view): what for view, what in VIEWS.items()} | others).items():
        measured = [part for part in learners if sum(r.get(measure) is not None for r in part.rounds) > 1]
        if measured:
            own = [level for level in _levels(data, measure) if level.name == "zero_shot"]
            yield _curves(data, measured, measure, own, about, measures.metric(measure).tick)
    trained = [part for part in learners if part.has("loss")]
    if trained:
        yield _curves(data, trained, "loss", [], "Training loss", format_number)


def _levels(data: PageData, measure: str) -> list[Level]:
    """Reference values: zero-shot and chance, where they are known."""
    found = [record.get(measure) for record in data.floor.evaluated] if data.floor else []
    levels = [Level("zero_shot", value) for value in found[-1:] if value is not None]
    return levels + ([] if data.chance is None else [Level("chance", data.chance)])


def _curves(
    data: PageData,
    parts: Sequence[MethodRecords],
    measure: str,
    levels: Sequence[Level],
    about: str,
    write: Callable[[float], str],
) -> Chart:
    lines = [ChartLine(part.name, part.read_curve(measure), data.style_of(part)) for part in parts]
    ends = (f"{line.name} {write(line.points[-1][1])}" for line in lines if line.points[-1][1] is not None)
    return Chart(draw_curves(lines, levels, f"{about}. At the end: {', '.join(ends)}.", write), about)


def _numbers(learners: Sequence[MethodRecords]) -> HtmlTable:
    """Local headline metric and loss of all methods by round."""
    rounds = max(len(part.rounds) for part in learners)
    parts = list(reversed(learners))
    header = ["round", *(f"{part.name}: {what}" for part in parts for what in ("local", "loss"))]
    body = [[str(n), *(cell for part in parts for cell in _cells(part, n))] for n in range(rounds)]
    return HtmlTable(header, body, f"Local {learners[0].measures.headline.words} and loss by round")


def _cells(part: MethodRecords, number_of_round: int) -> tuple[str, str]:
    if number_of_round >= len(part.rounds):
        return "", ""
    record = part.rounds[number_of_round]
    loss = record.get("loss")
    return part.measures.headline.shown(record.get(part.measures.local)), "–" if loss is None else f"{loss:.4f}"
