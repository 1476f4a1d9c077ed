"""Figure of several partitions side by side: their maps at one scale, and their scores beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedsilo.partitioning.heterogeneity import SCORES
from fedsilo.report.figures.canvas import save
from fedsilo.report.figures.client_map import compute_half_side, draw_map
from fedsilo.report.figures.clients_figure import Keys, describe_distances
from fedsilo.report.figures.partition_figure import DOMAIN_COLOURS, DPI, FAINT, INK, PAPER, SIZE_TEXT
from fedsilo.report.figures.partition_layout import cut
from fedsilo.report.terminal.partition_table import MeasuredPartition

SIDE, GAP, LEFT, TOP, RIGHT = 3.6, 0.55, 0.6, 0.85, 0.35  # inches
ACROSS = 4
"""Maps in a row."""

ROW = 0.34
"""Height of a score's row, inches."""


def draw_compared(several: Sequence[MeasuredPartition], path: Path) -> None:
    """Draws partitions side by side as PNG.

    All maps of features share one scale, and all maps of labels share one scale.

    Args:
        several: The partitions with their scores.
        path: The file to write.

    Raises:
        RunError: The file cannot be written.
    """
    across, rows = min(ACROSS, len(several)), -(-len(several) // ACROSS)
    keys = [Keys.of_map(measured.manifest, SIDE) for measured in several]
    each = TOP + SIDE + 0.62 + max(key.height for key in keys)
    names = [name for name in SCORES if any(measured.scores.score(name) for measured in several)]
    below = ROW * len(names) + 1.0
    width, height = LEFT + across * SIDE + (across - 1) * GAP + RIGHT, rows * each + below
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    FigureCanvasAgg(figure)
    coordinate_bound = {
        kind: max(compute_half_side(m.scores) for m in several if m.scores.map.of == kind) for kind in _kinds(several)
    }
    for number, (measured, key) in enumerate(zip(several, keys, strict=True)):
        left = LEFT + (number % ACROSS) * (SIDE + GAP)
        top = height - (number // ACROSS) * each
        _title(figure, measured, left / width, top, height, _colour(number))
        box = (left / width, (top - TOP - SIDE) / height, SIDE / width, SIDE / height)
        draw_map(figure.add_axes(box), measured.manifest, measured.scores, coordinate_bound[measured.scores.map.of])
        key.draw(figure, (left / width, (top - TOP - SIDE - 0.3) / height))
    inner = 1.9
    box = (inner / width, 0.5 / height, (width - inner - RIGHT) / width, (below - 0.9) / height)
    _draw_scores(figure.add_axes(box), several, names)
    save(figure, path, DPI)


def _title(figure: Figure, measured: MeasuredPartition, left: float, top: float, height: float, colour: str) -> None:
    scores = measured.scores
    facts = f"{scores.clients:,} clients, {scores.sizes.effective_clients:,.1f} effective; map of {scores.map.of}"
    lines = ((0.3, measured.name, 11, colour), (0.5, facts, 8.0, INK), (0.67, describe_distances(scores), 8.0, FAINT))
    for down, text, size, ink in lines:
        weight = "bold" if size == 11 else "normal"
        shown = cut(text, int(125 * SIDE / size))
        figure.text(left, (top - down) / height, shown, size=size, color=ink, weight=weight, parse_math=False)


def _draw_scores(axes: Axes, several: Sequence[MeasuredPartition], names: Sequence[str]) -> None:
    """A row for each score. Filled dots are values, open dots are values by chance, and a line joins the two."""
    spread = 0.5 / max(1, len(several) - 1)
    for row, name in enumerate(names):
        for number, measured in enumerate(several):
            score = measured.scores.score(name)
            if score is None:
                continue
            at, colour = row + (number - (len(several) - 1) / 2) * spread, _colour(number)
            axes.plot([score.null.mean, score.value], [at, at], color=colour, linewidth=1.2)
            axes.plot([score.null.mean], [at], "o", markersize=4, markerfacecolor=PAPER, color=colour)
            axes.plot([score.value], [at], "o", markersize=5, color=colour)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(left=0)
    axes.set_yticks(range(len(names)), [SCORES[name].title for name in names], size=SIZE_TEXT + 0.5, color=INK)
    axes.tick_params(length=0, labelsize=SIZE_TEXT + 0.5)
    axes.tick_params(axis="x", colors=FAINT)
    axes.grid(axis="x", color="#e6eaed", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    marks = [
        Line2D([], [], marker="o", linestyle="", markersize=5, color=INK),
        Line2D([], [], marker="o", linestyle="", markersize=4, markerfacecolor=PAPER, color=INK),
    ]
    axes.legend(
        marks,
        ["value", "by chance"],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=2,
        frameon=False,
        fontsize=SIZE_TEXT,
        labelcolor=INK,
        handletextpad=0.1,
    )


def _kinds(several: Sequence[MeasuredPartition]) -> set[str]:
    return {measured.scores.map.of for measured in several}


def _colour(number: int) -> str:
    return DOMAIN_COLOURS[number % len(DOMAIN_COLOURS)]
