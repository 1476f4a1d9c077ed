"""The curve of a task that has one, such as seen over unseen accuracy, and all metrics of the methods as a table."""

from __future__ import annotations

from markupsafe import Markup

from fedsilo.core.metrics import LOCAL, SELECTED
from fedsilo.report.page.chart_frame import Frame, choose_ticks, widen_range
from fedsilo.report.page.line_chart import ChartLine, colour_class, draw_line, list_line_legend
from fedsilo.report.page.page_data import PageData, Record
from fedsilo.report.page.page_elements import Chart, HtmlTable
from fedsilo.report.page.rendering import render
from fedsilo.report.page.svg import draw


def draw_task_curve(data: PageData) -> Markup:
    """Draws the curve of each method in its last evaluated round.

    Args:
        data: The run's records.

    Returns:
        The section; empty for a task without a curve.
    """
    order = [*([data.floor] if data.floor else []), *data.learners]
    last = {part.name: part.curves[-1] for part in order if part.curves}
    if not last:
        return Markup()
    styles = {part.name: data.style_of(part) if part in data.learners else len(data.learners) for part in order}
    x, y, about = (str(next(iter(last.values()))[key]) for key in ("x", "y", "about"))
    chart = Chart(_draw(last, styles, (x, y), about), about)
    names = [(name, styles[name]) for name in reversed(last)]
    return render(
        "curve",
        title=f"{y.capitalize()} and {x}",
        candidates=_describe_candidates(data),
        legend=list_line_legend(names),
        chart=chart,
        numbers=_numbers(data),
    )


def _describe_candidates(data: PageData) -> str:
    """The world of the data, and how many candidates may be predicted; "" before the data are split."""
    if data.candidates is None:
        return ""
    total, mask = len(data.candidates), data.candidates.allowed
    world = getattr(data.scenario.data, "world", "")
    name = f"{world.capitalize()} world: " if world else ""
    return f"{name}{total if mask is None else int(mask.sum()):,} of {total:,} candidates may be predicted."


def _draw(last: dict[str, Record], styles: dict[str, int], axes: tuple[str, str], about: str) -> Markup:
    points = {name: [(100 * float(x), float(y)) for x, y in line["points"]] for name, line in last.items()}
    every = [point for line in points.values() for point in line]
    frame = Frame(
        (0.0, max(widen_range([x for x, _ in every], zero=True)[1], 1.0)),
        widen_range([y for _, y in every], zero=True),
        height=280.0,
    )
    elements = [*frame.draw_grid(_percent), *frame.draw_axis(f"{axes[0]}, %", choose_ticks(*frame.x_range))]
    for name, line in points.items():
        elements.append(draw_line(frame, ChartLine(name, line, styles[name]), _percent, marked=False))
        x, y = line[int(last[name]["best"])]
        tooltip = f"{name}: {axes[0]} {x:.1f} %, {axes[1]} {_percent(y)}"
        mark = f"mark {colour_class(styles[name])}"
        elements.append(draw("circle", draw("title", tooltip), cx=frame.x(x), cy=frame.y(y), r=4.0, class_=mark))
    return frame.draw_chart(about, *elements)


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _numbers(data: PageData) -> HtmlTable:
    """All metrics of all methods, as clients have them; of the selected round too where there is one."""
    rows = data.rows
    kinds = [("", "")] + [(SELECTED, ", selected")] * any(row.get("selected_round") is not None for row in rows)
    header = ["metric", *(f"{row['method']}{what}" for row in rows for _, what in kinds)]
    body = [
        [metric.words, *(metric.written(row.get(kind + LOCAL + metric.name)) for row in rows for kind, _ in kinds)]
        for metric in data.measures.metrics
    ]
    return HtmlTable(header, body, "All metrics, mean over clients")
