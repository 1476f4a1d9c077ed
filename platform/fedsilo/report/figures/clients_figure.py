"""Figure of client heterogeneity: the map of clients, and the distances of all pairs where they are few.

Distances on the map approximate distances between clients. The dashed circle holds 95 of 100 clients that were dealt at
random. In the square, features are above the diagonal and labels below; distances that chance explains are blank.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from fedsilo.partitioning.heterogeneity import SCORES, Scores
from fedsilo.partitioning.heterogeneity.scores import Pairwise
from fedsilo.partitioning.manifest import Manifest
from fedsilo.report.figures.canvas import save
from fedsilo.report.figures.client_map import arrange_matrix, draw_map, find_pairs, list_map_colours
from fedsilo.report.figures.partition_figure import DPI, FAINT, HEAT, INK, PAPER, SHIFT, SIZE_TEXT
from fedsilo.report.figures.partition_layout import cut

SIDE = 5.6  # inches, of map and of square
LEFT, GAP, RIGHT, TOP, BOTTOM = 0.6, 0.95, 1.0, 1.3, 0.75

MATRIX = 60
"""Most clients whose pairs are all drawn."""


def draw_clients(manifest: Manifest, scores: Scores, path: Path, title: str) -> None:
    """Draws the clients of a partition as PNG. Equal inputs give equal bytes.

    Args:
        manifest: The partition.
        scores: Its scores.
        path: The file to write.
        title: First line of the figure.

    Raises:
        RunError: The file cannot be written.
    """
    features, labels = find_pairs(scores, "feature_sliced"), find_pairs(scores, "label_distance")
    above = features or labels
    matrix = above is not None and 3 <= len(scores.map.clients) <= MATRIX
    width = LEFT + SIDE + (GAP + SIDE + RIGHT if matrix else 0.35)
    keys = Keys.of_map(manifest, 2 * SIDE + GAP if matrix else SIDE)
    bottom = BOTTOM + keys.height
    height = TOP + SIDE + bottom
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    FigureCanvasAgg(figure)
    _draw_header(figure, scores, title, (width, height), matrix)
    axes = figure.add_axes((LEFT / width, bottom / height, SIDE / width, SIDE / height))
    draw_map(axes, manifest, scores)
    keys.draw(figure, (LEFT / width, (bottom - 0.62) / height))
    if matrix and above is not None:
        box = ((LEFT + SIDE + GAP) / width, bottom / height, SIDE / width, SIDE / height)
        _draw_pairs(figure.add_axes(box), manifest, scores, above, labels or above)
    save(figure, path, DPI)


@dataclass(frozen=True, slots=True)
class Keys:
    """The legend of a map's colours.

    Attributes:
        of: What the colours show.
        marks: A dot in each colour.
        names: Name of each colour.
        columns: Entries side by side.
    """

    of: str
    marks: list[Line2D]
    names: list[str]
    columns: int

    @classmethod
    def of_map(cls, manifest: Manifest, inches: float) -> Keys:
        """Builds the legend of a partition's map.

        Args:
            manifest: The partition.
            inches: Width of the legend.

        Returns:
            The legend.
        """
        of, marks, names = list_map_colours(manifest)
        fitting = int(inches / (0.3 + 0.075 * max(len(name) for name in names)))
        return cls(of, marks, names, max(1, min(len(names), fitting)))

    @property
    def height(self) -> float:
        """Height of the legend in inches."""
        return 0.2 + 0.17 * -(-len(self.names) // self.columns)

    def draw(self, figure: Figure, at: tuple[float, float]) -> None:
        """Draws the legend.

        Args:
            figure: The figure.
            at: Upper left corner, as fractions of the figure's width and height.
        """
        legend = figure.legend(
            handles=self.marks,
            labels=self.names,
            title=f"colour: {self.of}; size: training images",
            loc="upper left",
            bbox_to_anchor=at,
            ncols=self.columns,
            frameon=False,
            fontsize=SIZE_TEXT,
            title_fontsize=SIZE_TEXT,
            alignment="left",
            labelcolor=INK,
            handletextpad=0.2,
            columnspacing=1.0,
            borderpad=0.0,
            borderaxespad=0.0,
        )
        for label in legend.get_texts():
            label.set_parse_math(False)


def describe_distances(scores: Scores) -> str:
    """Describes whether the mapped distances are larger than chance explains.

    Args:
        scores: Scores of the partition.

    Returns:
        One line; "" without a score.
    """
    name = "feature_sliced" if scores.map.of == "features" else "label_distance"
    score = scores.score(name)
    if score is None:
        return ""
    return f"{SCORES[name].title}: {score.value:.2f}, by chance {score.null.mean:.2f}: {score.verdict}"


def _draw_header(figure: Figure, scores: Scores, title: str, size: tuple[float, float], matrix: bool) -> None:
    width, height = size
    by = "image features (sliced Wasserstein)" if scores.map.of == "features" else "labels (Hellinger)"
    source = f"; {scores.images:,} images, {scores.backbone}" if scores.images else ""
    mapped = f"{len(scores.map.clients):,} of {scores.clients:,} clients by {by}{source}"
    kept = f"{100 * scores.map.shown:.0f} % of the variance"
    linked = "lines: nearest clients; " if matrix else ""
    shown = f"dashed: 95 of 100 clients dealt at random; {linked}the map keeps {kept}"
    lines = (
        (0.3, title, 13, INK),
        (0.56, mapped, 8.5, INK),
        (0.76, describe_distances(scores), 8.5, INK),
        (0.96, shown, 8.5, FAINT),
    )
    for down, text, points, colour in lines:
        fitting = cut(text, int(135 * (width - 0.4) / points))
        weight = "bold" if text == title else "normal"
        at = (0.2 / width, 1 - down / height)
        figure.text(*at, fitting, size=points, color=colour, weight=weight, parse_math=False)


def _draw_pairs(axes: Axes, manifest: Manifest, scores: Scores, above: Pairwise, below: Pairwise) -> None:
    """All pairs: one distance above the diagonal, one below, with similar clients side by side."""
    clients = scores.map.clients
    upper, lower = arrange_matrix(above, clients), arrange_matrix(below, clients)
    order = leaves_list(linkage(squareform(upper), "average", optimal_ordering=True))
    upper, lower = upper[np.ix_(order, order)], lower[np.ix_(order, order)]
    below_diagonal = np.tri(len(order), dtype=bool)
    for values, table, colours, mask, place in (
        (upper, above, HEAT, below_diagonal, 0),
        (lower, below, SHIFT, below_diagonal.T, 1),
    ):
        score = scores.score(table.name)
        chance = score.null.mean if score else 0.0
        # At least twice the distance by chance, so that similar clients look similar.
        norm = Normalize(chance, max(values.max(), 2 * chance, 1e-3))
        axes.imshow(_colour_matrix(values, norm, colours, mask), interpolation="nearest")
        side = ("above", "below")[place]
        _draw_scale(axes, ScalarMappable(norm, colours), f"{side} the diagonal: {SCORES[table.name].title}", place)
    names = [_name_client(manifest, clients[place]) for place in order.tolist()]
    size = min(SIZE_TEXT, 72 * SIDE / len(names) * 0.9)
    axes.set_xticks(range(len(names)), names, size=size, color=INK, rotation=90, parse_math=False)
    axes.set_yticks(range(len(names)), names, size=size, color=INK, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _colour_matrix(
    values: NDArray[np.float64], norm: Normalize, colours: Colormap, hidden: NDArray[np.bool_]
) -> NDArray[Any]:
    found: NDArray[Any] = np.asarray(colours(norm(values)))
    found[norm(values) <= 0] = 1.0
    found[hidden] = (1.0, 1.0, 1.0, 0.0)
    return found


def _draw_scale(axes: Axes, mappable: ScalarMappable, name: str, place: int) -> None:
    scale = axes.inset_axes((1.03, 0.56 - 0.54 * place, 0.03, 0.42))
    bar = axes.figure.colorbar(mappable, cax=scale)
    bar.outline.set_visible(False)
    scale.tick_params(labelsize=SIZE_TEXT, colors=FAINT, length=0)
    scale.set_ylabel(f"{name}\nwhite: chance or less", size=SIZE_TEXT, color=FAINT)


def _name_client(manifest: Manifest, client: int) -> str:
    domain = manifest.clients[client].domain
    return f"{cut(domain, 12)} {client}" if domain and len(manifest.clients) <= 24 else str(client)
