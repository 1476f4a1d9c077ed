"""Tables, charts and legends that sections hand to the page's templates."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class HtmlTable:
    """A table of text cells. The template escapes every cell.

    Attributes:
        header: Titles of the columns.
        rows: Cells of each row, in the order of the columns.
        about: Name of the table for screen readers.
        words: Numbers of the columns that hold words; all other columns hold numbers and are aligned right.
        code: Numbers of the columns in a fixed-width font.
        bold: Numbers of the rows in bold.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: str
    words: Container[int] = (0,)
    code: Container[int] = ()
    bold: Container[int] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """An SVG picture with its caption.

    Attributes:
        svg: The picture.
        caption: Text above the picture.
    """

    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A name in a legend, with the style that its line or bar has in the charts.

    Attributes:
        name: The name.
        style: CSS classes of the line or bar.
        dashes: SVG dash pattern of the line; None for a solid one.
    """

    name: str
    style: str
    dashes: str | None = None
