"""Figure of a partition: how many examples of which class and domain each client has.

Above, a bar per client: training examples upwards, test examples downwards, coloured by domain. Below, in the same
columns, the distance of the client's labels from the overall ones, and a heat map of its training examples by class.
For compositions there is one more, by attribute and by object.

Dimensions: N clients, K classes, D domains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from fedsilo.partitioning.heterogeneity import gini, mean_total_variation
from fedsilo.partitioning.manifest import Manifest
from fedsilo.report.figures.canvas import save
from fedsilo.report.figures.partition_columns import IN_ORDER, Columns, measure_label_shifts
from fedsilo.report.figures.partition_layout import LEAST_ROW, Sheet, cut
from fedsilo.report.terminal.rule_text import rule_text

INK, FAINT, PAPER = "#23303b", "#7c8a95", "#ffffff"
# Distinguishable with every common kind of colour blindness; more than eight domains repeat them.
DOMAIN_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bb1", "#7f7f7f")
HEAT = LinearSegmentedColormap.from_list("heat", ("#f3f5f6", "#c9dfe8", "#86b8cb", "#3d87a5", "#1a5876", "#0a2f47"))
SHIFT = LinearSegmentedColormap.from_list("shift", ("#faf4ea", "#f0c987", "#d98b3a", "#8f4a12"))
DPI = 140
SIZE_TEXT = 7.5  # points


def draw_partition(manifest: Manifest, path: Path, title: str) -> None:
    """Draws a partition as PNG. Equal partitions and titles give equal bytes.

    Args:
        manifest: The partition.
        path: The file to write.
        title: First line of the figure, for example the scenario's name.

    Raises:
        RunError: The file cannot be written.
    """
    columns = Columns.of(manifest)
    sheet = Sheet.of(manifest, columns)
    figure = Figure(figsize=(sheet.width, sheet.height), facecolor=PAPER)
    FigureCanvasAgg(figure)
    _draw_header(figure, sheet, manifest, title)
    _draw_bars(sheet.panel(figure, 0.0, sheet.bars), sheet, columns)
    _draw_shift(sheet.panel(figure, sheet.bars + sheet.gap, sheet.shift), sheet, columns.shift)
    above = sheet.bars + sheet.shift + 2 * sheet.gap
    if sheet.words:
        axes = sheet.panel(figure, above, sheet.words)
        _draw_heat(axes, sheet, columns.words.T, columns.word_names, sheet.words)
        axes.axhline(columns.attributes - 0.5, color=PAPER, linewidth=2.5)
        above += sheet.words + sheet.gap
    axes = sheet.panel(figure, above, sheet.rows)
    _draw_heat(axes, sheet, columns.classes.T, columns.names, sheet.rows)
    _name_columns(axes, sheet, manifest, columns.note)
    for column in columns.borders:
        axes.axvline(column - 0.5, color=PAPER, linewidth=2.5)
    save(figure, path, DPI)


def _draw_header(figure: Figure, sheet: Sheet, manifest: Manifest, title: str) -> None:
    """Title, rule, numbers, and the legend of the domains."""
    rule = f"{rule_text(manifest.rule)}, seed {manifest.seed}"
    kind = "pairs" if manifest.attributes else "classes"
    extent = (
        f"{len(manifest.clients):,} client{'s'[: len(manifest.clients) > 1]}, {len(manifest.classes)} {kind}, "
        f"{manifest.train_examples:,} training and {manifest.test_examples:,} test images"
    )
    counts = manifest.train_counts()
    held = counts[counts.sum(axis=1) > 0]
    measured = (
        f"label shift {measure_label_shifts(held).mean():.2f} (Jensen-Shannon, to all)   between clients "
        f"{mean_total_variation(held):.2f} (total variation)   sizes {gini(counts.sum(axis=1)):.2f} (Gini)"
    )
    at = 0.2 / sheet.width
    for down, text, size, colour in ((0.3, title, 13, INK), (0.54, rule, 8.5, INK), (0.73, extent, 8.5, INK)):
        fitting = cut(text, int(105 * (sheet.width - 0.4) / size))  # an average letter is 0.68 of its size wide
        weight = "bold" if text == title else "normal"
        figure.text(at, 1 - down / sheet.height, fitting, size=size, color=colour, weight=weight, parse_math=False)
    figure.text(at, 1 - 0.92 / sheet.height, measured, size=8.5, color=FAINT)
    if len(manifest.domains) > 1:
        legend = figure.legend(
            handles=[Patch(color=_colour(number)) for number in range(len(manifest.domains))],
            labels=[cut(name) for name in manifest.domains],
            loc="upper left",
            bbox_to_anchor=(at, 1 - 1.05 / sheet.height),
            ncols=sheet.legend_columns,
            frameon=False,
            fontsize=8.5,
            labelcolor=INK,
            handlelength=0.9,
            handleheight=0.9,
            columnspacing=1.4,
            borderpad=0.0,
            borderaxespad=0.0,
        )
        for label in legend.get_texts():
            label.set_parse_math(False)


def _draw_bars(axes: Axes, sheet: Sheet, columns: Columns) -> None:
    """Sizes of the clients: training upwards, test downwards and paler, stacked by domain."""
    at = np.arange(len(columns.train))
    for counts, sign, pale in ((columns.train, 1, 0.0), (columns.test, -1, 0.5)):
        reached = np.zeros(len(at))
        for number in range(counts.shape[1]):
            _stack(axes, sign * reached, sign * (reached + counts[:, number]), _colour(number, pale))
            reached += counts[:, number]
    highest, lowest = columns.train.sum(axis=1), columns.test.sum(axis=1)
    room = 0.2 if sheet.numbered else 0.05  # inches beyond the longest bars, for the numbers
    margin = room * (highest.max() + lowest.max()) / (sheet.bars - 2 * room)
    axes.set_ylim(-lowest.max() - margin, highest.max() + margin)
    if sheet.numbered:
        for client, (up, down) in enumerate(zip(highest.tolist(), lowest.tolist(), strict=True)):
            _write_number(axes, client, up, f"{up:,.0f}", "bottom")
            _write_number(axes, client, -down, f"{down:,.0f}", "top")
    for text, height in (("train", highest.max() / 2), ("test", -lowest.max() / 2)):
        axes.annotate(
            text,
            (0, height),
            (-34, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            size=SIZE_TEXT,
            color=INK,
            ha="right",
            va="center",
        )
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    axes.grid(axis="y", color="#e6eaed", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", labelsize=SIZE_TEXT, colors=FAINT, length=0)
    _strip_axes(axes, len(at))


def _stack(axes: Axes, low: NDArray[np.float64], high: NDArray[np.float64], colour: tuple[float, ...]) -> None:
    """Bars from `low` to `high`: one each where they are few, one outline of all where gaps would be below a pixel."""
    if len(low) > IN_ORDER:
        axes.stairs(high, np.arange(len(low) + 1) - 0.5, baseline=low, fill=True, color=colour, linewidth=0)
        return
    shown = np.flatnonzero(high != low)
    axes.bar(shown, (high - low)[shown], 0.78, bottom=low[shown], color=colour)


def _draw_shift(axes: Axes, sheet: Sheet, shift: NDArray[np.float64]) -> None:
    """A strip with each client's distance from the overall labels."""
    values = shift[None]
    image = axes.imshow(values, cmap=SHIFT, norm=Normalize(0, 1), aspect="auto", interpolation="nearest")
    if sheet.numbered:
        _write_cells(axes, image, values, "{:.2f}")
    axes.set_yticks([0], ["label shift"], size=SIZE_TEXT, color=INK)
    axes.tick_params(axis="y", length=0)
    _strip_axes(axes, values.shape[1])


def _draw_heat(axes: Axes, sheet: Sheet, counts: NDArray[np.float64], names: Sequence[str], height: float) -> None:
    """Training examples by row (a class, an attribute or an object) and client."""
    # A square root keeps a class of 3 apart from one of 0 beside a class of 300.
    image = axes.imshow(
        counts, cmap=HEAT, norm=PowerNorm(0.5, 0, max(1, counts.max())), aspect="auto", interpolation="nearest"
    )
    row = height / len(counts)
    if sheet.numbered and row > LEAST_ROW:
        _write_cells(axes, image, counts, "{:,.0f}")
    else:
        _draw_scale(axes, sheet, image, height)
    _strip_axes(axes, counts.shape[1])
    size = min(SIZE_TEXT + 0.5, max(5.0, 62 * row))
    step = math.ceil(size * 1.05 / (72 * row))
    shown = range(0, len(names), step)
    axes.set_yticks(list(shown), [cut(names[at]) for at in shown], size=size, color=INK, parse_math=False)
    axes.tick_params(axis="y", length=0)


def _name_columns(axes: Axes, sheet: Sheet, manifest: Manifest, note: str) -> None:
    """Client names where they fit, else numbers, else every n-th number; a note where columns hold several clients."""
    if note:
        axes.set_xlabel(note, size=SIZE_TEXT, color=INK)
        return
    clients = manifest.clients
    wide = 0.08 * len(str(len(clients))) + 0.06
    step = next(every for every in (1, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000) if every * sheet.column > wide)
    named = sheet.column > 0.55
    labels = [client.name if named else str(client.number) for client in clients[::step]]
    axes.set_xticks(range(0, len(clients), step), labels, size=SIZE_TEXT, color=INK)
    axes.tick_params(axis="x", length=0)
    if not named:
        axes.set_xlabel("client", size=SIZE_TEXT, color=INK)


def _draw_scale(axes: Axes, sheet: Sheet, image: AxesImage, height: float) -> None:
    """A colour scale to the right, where the cells are too small for numbers."""
    scale = axes.inset_axes((1 + 0.14 / sheet.columns, 0.0, 0.12 / sheet.columns, min(1.0, 2.2 / height)))
    bar = axes.figure.colorbar(image, cax=scale)
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(5, integer=True)
    bar.update_ticks()
    scale.tick_params(labelsize=SIZE_TEXT, colors=FAINT, length=0)
    scale.set_title("images", size=SIZE_TEXT, color=FAINT, loc="left")


def _write_cells(axes: Axes, image: AxesImage, values: NDArray[np.generic], form: str) -> None:
    """Writes every cell's value on it, dark on light and light on dark."""
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.6
        colour = "#b4bdc4" if not value else PAPER if dark else INK
        axes.text(column, row, form.format(value), size=SIZE_TEXT, color=colour, ha="center", va="center_baseline")


def _write_number(axes: Axes, x: float, y: float, text: str, side: Literal["top", "bottom"]) -> None:
    """Writes a number beyond the end of a bar; `side` is the side of the text that the bar touches."""
    offset = 2 if side == "bottom" else -2
    axes.annotate(
        text, (x, y), (0, offset), textcoords="offset points", size=SIZE_TEXT, color=INK, ha="center", va=side
    )


def _strip_axes(axes: Axes, clients: int) -> None:
    """Removes the frame and the ticks along the clients; all panels have the same columns."""
    axes.set_xlim(-0.5, clients - 0.5)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _colour(number: int, pale: float = 0.0) -> tuple[float, float, float]:
    """A domain's colour, mixed with paper."""
    red, green, blue = (part + (1 - part) * pale for part in to_rgb(DOMAIN_COLOURS[number % len(DOMAIN_COLOURS)]))
    return red, green, blue
