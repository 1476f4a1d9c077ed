"""The picture of a budget: epsilon over releases, by the accountant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedsilo.core.printing import make_printable
from fedsilo.privacy.accounting.epsilon_curve import Point
from fedsilo.report.figures.canvas import save

INK, FAINT, GRID = "#23303b", "#7c8a95", "#e6eaed"
COLOURS = {
    "pld": "#0072b2",
    "closed form": "#0072b2",
    "rdp": "#d55e00",
    "without sampling": "#009e73",
    "never sampled": "#cc79a7",
}
FAR = 3.0
"""A bound that ends this many times above the best one would only flatten the picture."""
SIZE_INCHES, DPI, SIZE_TEXT = (7.0, 4.0), 150, 8.5


def draw_spending(
    curve: Sequence[Point], path: Path, title: str, subtitle: str, target: float | None = None, unit: str = "releases"
) -> None:
    """Draws every accountant's epsilon over releases as a PNG.

    Args:
        curve: What was spent after how many releases, in order, one point at least.
        path: The PNG; its folder must exist.
        title: First line.
        subtitle: Second line: noise, delta, rate.
        target: An epsilon to mark, if any.
        unit: What is counted: releases or rounds.
    """
    figure = Figure(figsize=SIZE_INCHES, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.13, 0.74, 0.69))
    figure.text(0.03, 0.93, make_printable(title), size=12, color=INK, weight="bold", parse_math=False)
    figure.text(0.03, 0.875, make_printable(subtitle), size=SIZE_TEXT, color=FAINT, parse_math=False)
    ends = [_draw_bound(axes, curve, name) for name in _shown(curve)]
    if target is not None:
        axes.axhline(target, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        ends.append((target, "target", INK))
    _finish(axes, curve, unit)
    _name(axes, ends)
    save(figure, path, DPI)


def _shown(curve: Sequence[Point]) -> list[str]:
    last = curve[-1].spent
    return [name for name, bound in last.by_accountant.items() if math.isfinite(bound) and bound <= FAR * last.epsilon]


def _draw_bound(axes: Axes, curve: Sequence[Point], name: str) -> tuple[float, str, str]:
    """Draws one accountant; returns where it ends, its name and its colour."""
    colour, best = COLOURS[name], curve[-1].spent.by_accountant[name] == curve[-1].spent.epsilon
    at = [point.releases for point in curve]
    bounds = [point.spent.by_accountant.get(name, math.nan) for point in curve]
    finite = [bound if math.isfinite(bound) else math.nan for bound in bounds]
    marker = "o" if len(curve) == 1 else ""
    axes.plot(at, finite, color=colour, linewidth=2.0 if best else 1.2, marker=marker)
    return bounds[-1], name, colour


def _name(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Writes names beside the ends of the lines, apart enough to be read."""
    low, high = axes.get_ylim()
    line, lowest = 0.052 * (high - low), -math.inf
    for height, name, colour in sorted(ends):
        lowest = max(height, lowest + line)
        axes.annotate(
            name, (1.015, lowest), xycoords=("axes fraction", "data"), size=SIZE_TEXT, color=colour, va="center"
        )


def _finish(axes: Axes, curve: Sequence[Point], unit: str) -> None:
    axes.set_xlim(0, curve[-1].releases)
    axes.set_ylim(0, max(axes.get_ylim()[1], 1e-9))
    axes.set_xlabel(unit, size=SIZE_TEXT, color=INK)
    axes.set_ylabel(f"epsilon at delta {curve[-1].spent.delta:g}", size=SIZE_TEXT, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SIZE_TEXT, colors=FAINT, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
