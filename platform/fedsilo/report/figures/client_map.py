"""Panels of figures of clients: the map of clients, and the distances of all pairs.

Dimensions: N clients, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fedsilo.partitioning.heterogeneity import Scores
from fedsilo.partitioning.heterogeneity.scores import Pairwise
from fedsilo.partitioning.manifest import Manifest
from fedsilo.report.figures.partition_figure import DOMAIN_COLOURS, FAINT, INK, SIZE_TEXT
from fedsilo.report.figures.partition_layout import cut

Floats = NDArray[np.float64]

NUMBERED = 60
"""Most clients that have their number on the map."""

KEYS = 26
"""Most colours with a line in the legend."""


@dataclass(frozen=True, slots=True)
class Colouring:
    """The colours of clients and their meaning.

    Attributes:
        of: What a colour shows: "corruption", "domain" or "largest class".
        names: Name of each colour, in order.
        colours: A colour for each name.
        client: Index (N,) into `names` for each client of the manifest.
    """

    of: str
    names: tuple[str, ...]
    colours: tuple[str | tuple[float, ...], ...]
    client: NDArray[np.int64]

    @classmethod
    def of_clients(cls, manifest: Manifest) -> Colouring:
        """Chooses the colours of a partition's clients.

        Args:
            manifest: The partition.

        Returns:
            Colours by the corruption of the clients' images where there is one, else by domain where most clients have
            one, else by the largest class.
        """
        altered = [client.alteration.partition(" seed ")[0] for client in manifest.clients]
        if any(altered):
            return cls._of_words("corruption", altered, sorted({*altered} - {""}), "none")
        domains = [client.domain for client in manifest.clients]
        if len({*domains} - {""}) > 1 and 2 * domains.count("") < len(domains):
            return cls._of_words(
                "domain", domains, [*manifest.domains, *sorted({*domains} - {*manifest.domains})], "mixed"
            )
        largest = manifest.train_counts().argmax(axis=1)
        kinds = len(manifest.classes)
        wheel = colormaps["turbo"](np.linspace(0.05, 0.95, kinds)) if kinds > len(DOMAIN_COLOURS) else None
        found = DOMAIN_COLOURS[:kinds] if wheel is None else tuple(tuple(row) for row in wheel.tolist())
        return cls("largest class", manifest.classes, found, largest)

    @classmethod
    def _of_words(cls, of: str, words: Sequence[str], known: Sequence[str], without: str) -> Colouring:
        """Colours by a word of each client. The place of a word in `known` chooses its colour."""
        places = {name: place for place, name in enumerate(known) if name and name in words}
        names = list(places)
        colours = [DOMAIN_COLOURS[place % len(DOMAIN_COLOURS)] for place in places.values()]
        client = [names.index(word) if word else len(names) for word in words]
        return cls(of, (*names, without), (*colours, FAINT), np.array(client))


def draw_map(axes: Axes, manifest: Manifest, scores: Scores, half_side: float | None = None) -> None:
    """Draws clients at their places on the map, sized by examples, over the circle of chance.

    Args:
        axes: A square panel.
        manifest: The partition.
        scores: Its scores.
        half_side: Half the side of the map; None fits it to the clients.
    """
    found, colouring = scores.map, Colouring.of_clients(manifest)
    places, clients = np.array(found.places), np.array(found.clients)
    sizes = np.array([len(manifest.clients[client].train) for client in found.clients])
    axes.add_patch(Circle((0, 0), found.radius, facecolor="#eef1f3", edgecolor=FAINT, linewidth=0.9, linestyle="--"))
    _link(axes, scores, places)
    if len(places):
        colours = [colouring.colours[place] for place in colouring.client[clients].tolist()]
        crowd = min(1.0, 40 / len(places))
        areas = (30 + 150 * sizes / max(1, sizes.max())) * (0.08 + 0.92 * crowd)
        axes.scatter(
            places[:, 0], places[:, 1], s=areas, c=colours, alpha=0.9 if crowd == 1 else 0.6, linewidths=0, zorder=3
        )
    if len(places) <= NUMBERED:
        for client, (x, y) in zip(found.clients, found.places, strict=True):
            axes.annotate(
                str(client), (x, y), (5, 5), textcoords="offset points", size=SIZE_TEXT - 1, color=INK, zorder=4
            )
    side = half_side or compute_half_side(scores)
    axes.set_xlim(-side, side)
    axes.set_ylim(-side, side)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=SIZE_TEXT, colors=FAINT, length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(color="#e6eaed", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def compute_half_side(scores: Scores) -> float:
    """Computes half the side of a map that holds all clients and the circle of chance.

    Args:
        scores: Scores of the partition.

    Returns:
        Half the side, in units of the map.
    """
    return 1.12 * max([scores.map.radius, 1e-3, *(abs(part) for place in scores.map.places for part in place)])


def list_map_colours(manifest: Manifest) -> tuple[str, list[Line2D], list[str]]:
    """Lists the colours of a map for its legend.

    Args:
        manifest: The partition.

    Returns:
        What the colours show, a mark in each colour, and their names. Of many colours only the most frequent ones.
    """
    colouring = Colouring.of_clients(manifest)
    counts = np.bincount(colouring.client, minlength=len(colouring.names))
    shown = [place for place in np.argsort(-counts, kind="stable")[:KEYS].tolist() if counts[place]]
    marks = [Line2D([], [], marker="o", linestyle="", color=colouring.colours[place]) for place in sorted(shown)]
    return colouring.of, marks, [cut(colouring.names[place]) for place in sorted(shown)]


def arrange_matrix(table: Pairwise, clients: Sequence[int]) -> Floats:
    """Arranges the distances of some clients as a matrix.

    Args:
        table: Distances of pairs.
        clients: Numbers of the clients.

    Returns:
        Distances (N, N), symmetric, 0 on the diagonal.
    """
    places = {client: place for place, client in enumerate(clients)}
    found = np.zeros((len(clients), len(clients)))
    for (one, other), value in zip(table.pairs, table.values, strict=True):
        if one in places and other in places:
            found[places[one], places[other]] = found[places[other], places[one]] = value
    return found


def find_pairs(scores: Scores, *names: str) -> Pairwise | None:
    """Finds the first distance that is known for all pairs of clients.

    Args:
        scores: Scores of the partition.
        *names: Names of distances, in order of preference.

    Returns:
        The distances; None where none is complete.
    """
    known = {table.name: table for table in scores.pairwise if table.complete and table.pairs}
    return next((known[name] for name in names if name in known), None)


def _link(axes: Axes, scores: Scores, places: Floats) -> None:
    """Draws a line from each client to its nearest one by the true distance, because a flat map distorts distances."""
    table = find_pairs(scores, "feature_sliced" if scores.map.of == "features" else "label_distance")
    if table is None or len(places) < 3:
        return
    distances = arrange_matrix(table, scores.map.clients) + np.diag(np.full(len(places), np.inf))
    links = [(places[one], places[other]) for one, other in enumerate(distances.argmin(axis=1).tolist())]
    axes.add_collection(LineCollection(links, colors="#b4bdc4", linewidths=0.9, zorder=2))
