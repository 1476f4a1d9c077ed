"""The measures of a partition's picture: how wide a column and how high a row is, and what fits into them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedsilo.core.printing import make_printable
from fedsilo.partitioning.manifest import Manifest

LONGEST_NAME = 24  # characters of a class name before it is cut


@dataclass(frozen=True, slots=True)
class Sheet:
    """Lengths in inches, chosen so that pictures of 4, 10, 100 and 10,000 clients can all be read.

    Attributes:
        left: Room for class names.
        columns: Width of all clients together.
        rows: Height of all classes together.
        column: Width of one of them.
        row: Height of one class.
        numbered: Whether a column is wide enough for a number.
        written: Whether a cell of the heat map is large enough for a number.
        top: Room for the header.
        right: Room for the colour scale, where there is one.
        legend_columns: Domains in one row of the legend; 0 without a legend.
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
    bars: float = 1.7
    shift: float = 0.22
    gap: float = 0.1
    bottom: float = 0.5

    @classmethod
    def of(cls, manifest: Manifest, clients: int) -> Sheet:
        """The sheet for a manifest with so many columns, one for each client or for several."""
        classes = len(manifest.classes)
        longest = max(len(cut(name)) for name in manifest.classes)
        columns = min(max(0.62 * clients, 6.0), 13.0)
        rows = min(max(0.25 * classes, 1.2), 10.0)
        numbered = columns / clients > 0.3
        written = numbered and rows / classes > 0.15
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
        )

    @property
    def width(self) -> float:
        """Of the whole figure."""
        return self.left + self.columns + self.right

    @property
    def height(self) -> float:
        """Of the whole figure."""
        return self.top + self.bars + self.shift + self.rows + 2 * self.gap + self.bottom

    def panel(self, figure: Figure, above: float, height: float) -> Axes:
        """Axes across all columns that begin `above` inches under the header."""
        bottom = self.height - self.top - above - height
        box = (self.left / self.width, bottom / self.height, self.columns / self.width, height / self.height)
        return figure.add_axes(box)


def cut(text: str, longest: int = LONGEST_NAME) -> str:
    """The text, printable, or its beginning if it has more than `longest` characters."""
    text = make_printable(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"
