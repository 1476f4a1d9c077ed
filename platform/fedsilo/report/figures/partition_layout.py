"""Layout of a partition's figure: widths of columns, heights of rows, and which texts fit into them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedsilo.core.printing import make_printable
from fedsilo.partitioning.manifest import Manifest
from fedsilo.report.figures.partition_columns import Columns

LEAST_ROW = 0.15  # inches of a row in which a number fits
LONGEST_NAME = 24  # characters of a class name before it is cut


@dataclass(frozen=True, slots=True)
class Sheet:
    """Lengths in inches, chosen so that figures of 4, 10, 100 and 10,000 clients are all readable.

    Attributes:
        left: Room for class names.
        columns: Width of all columns together.
        rows: Height of all classes together.
        column: Width of one column.
        row: Height of one class.
        numbered: Whether a column is wide enough for a number.
        written: Whether a cell of the heat map is large enough for a number.
        top: Room for the header.
        right: Room for the colour scale, where there is one.
        legend_columns: Domains in one row of the legend; 0 without a legend.
        words: Height of all attributes and objects together; 0 where classes are not composed.
        bars: Height of the panel of bars.
        shift: Height of the strip of label shifts.
        gap: Space between panels.
        bottom: Room below the heat map.
    """

    left: float
    columns: float
    rows: float
    column: float
    row: float
    numbered: bool
    written: bool
    top: float
    right: float
    legend_columns: int
    words: float = 0.0
    bars: float = 1.7
    shift: float = 0.22
    gap: float = 0.1
    bottom: float = 0.5

    @classmethod
    def of(cls, manifest: Manifest, shown: Columns) -> Sheet:
        """Computes the layout for a partition.

        Args:
            manifest: The partition.
            shown: The columns, each of one client or of several.

        Returns:
            The layout.
        """
        clients, classes = len(shown.train), len(shown.names)
        longest = max(len(cut(name)) for name in (*shown.names, *shown.word_names))
        columns = min(max(0.62 * clients, 6.0), 13.0)
        rows = min(max(0.25 * classes, 1.2), 10.0)
        numbered = columns / clients > 0.3
        written = numbered and rows / classes > LEAST_ROW
        left = max(1.05, 0.3 + 0.068 * longest)
        fitting = int((left + columns) / (0.35 + 0.08 * max(len(cut(name)) for name in manifest.domains)))
        legend_columns = min(len(manifest.domains), fitting) if len(manifest.domains) > 1 else 0
        return cls(
            left=left,
            columns=columns,
            rows=rows,
            column=columns / clients,
            row=rows / classes,
            numbered=numbered,
            written=written,
            top=1.1 + (0.15 + 0.2 * math.ceil(len(manifest.domains) / legend_columns) if legend_columns else 0.0),
            right=0.3 if written else 0.85,
            legend_columns=legend_columns,
            words=min(0.2 * len(shown.word_names), 8.0),
        )

    @property
    def width(self) -> float:
        """Width of the figure."""
        return self.left + self.columns + self.right

    @property
    def height(self) -> float:
        """Height of the figure."""
        words = self.words + self.gap if self.words else 0.0
        return self.top + self.bars + self.shift + words + self.rows + 2 * self.gap + self.bottom

    def panel(self, figure: Figure, above: float, height: float) -> Axes:
        """Adds a panel across all columns.

        Args:
            figure: The figure.
            above: Inches between the header and the panel.
            height: Height of the panel in inches.

        Returns:
            The panel.
        """
        bottom = self.height - self.top - above - height
        box = (self.left / self.width, bottom / self.height, self.columns / self.width, height / self.height)
        return figure.add_axes(box)


def cut(text: str, longest: int = LONGEST_NAME) -> str:
    """Shortens a text.

    Args:
        text: The text.
        longest: Most characters of the result.

    Returns:
        The text without control characters; its beginning and "…" where it is longer.
    """
    text = make_printable(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"
