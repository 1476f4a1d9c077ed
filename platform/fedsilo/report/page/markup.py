"""HTML and SVG made of elements, so that text is escaped by whoever forgets it too.

What is written is HTML and well-formed XML at once.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from html import escape

_FORBIDDEN = re.compile("[^\t\n\r\x20-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no document may hold, however it is written: control characters, halves of letters, and marks that turn the
direction of all that follows."""

_EMPTY = frozenset({"meta", "img", "br", "hr", "line", "rect", "path", "circle", "image", "col"})
"""Elements without content; HTML takes `<td/>` for an opening tag, so others are closed by a tag of their own."""


class Markup(str):
    """Text that is HTML or SVG already; all other text is escaped where it is put in."""

    __slots__ = ()


Content = str | Iterable[str]
"""Markup, text, or several of them."""


def element(name: str, /, *content: Content, **attributes: object) -> Markup:
    """Returns an element.

    Args:
        name: Its name.
        content: What is in it; text is escaped.
        attributes: Its attributes: `class_` is class, `stroke_width` is stroke-width; None and False are left out, True
            is an attribute without a value.
    """
    written = "".join(f' {_key(key)}="{_value(value)}"' for key, value in attributes.items() if _given(value))
    if name in _EMPTY and not content:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{joined(content)}</{name}>")


def joined(content: Iterable[Content]) -> Markup:
    """Returns the parts one after the other, those that are text escaped."""
    return Markup("".join(_escaped(part) if isinstance(part, str) else joined(part) for part in content))


def _escaped(text: str) -> str:
    return text if isinstance(text, Markup) else escape(_FORBIDDEN.sub("\ufffd", text), quote=False)


def _key(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _given(value: object) -> bool:
    return value is not None and value is not False


def _value(value: object) -> str:
    if value is True:
        return ""
    text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
    return escape(_FORBIDDEN.sub("\ufffd", text), quote=True)


def table(
    header: Sequence[Content], rows: Iterable[Sequence[Content]], about: str, words: Container[int] = (0,)
) -> Markup:
    """Returns a table in a box that scrolls by itself where the page is narrow.

    Args:
        header: Titles of the columns.
        rows: The cells of each row.
        about: What the table is, for those who do not see it.
        words: Columns of words; the others are numbers and stand to the right.
    """
    head = element("tr", [element("th", title, scope="col", class_=_kind(n, words)) for n, title in enumerate(header)])
    body = [element("tr", _cells(row, words)) for row in rows]
    whole = element("table", element("thead", head), element("tbody", body))
    return element("div", whole, class_="scroll", role="region", aria_label=about, tabindex=0)


def _cells(row: Sequence[Content], words: Container[int]) -> list[Markup]:
    first, *rest = row
    cells = [element("td", cell, class_=_kind(n, words)) for n, cell in enumerate(rest, 1)]
    return [element("th", first, scope="row", class_=_kind(0, words)), *cells]


def _kind(column: int, words: Container[int]) -> str | None:
    return None if column in words else "number"


def folded(title: str, *content: Content, open: bool = False) -> Markup:
    """Returns content that is shown when its title is clicked, and in print."""
    return element("details", element("summary", title), *content, open=open)


def figure(picture: Markup, *caption: Content) -> Markup:
    """Returns a picture under what it shows."""
    return element("figure", element("figcaption", *caption), picture)


def section(title: str, *content: Content) -> Markup:
    """Returns a section of the page under its heading."""
    name = title.lower().replace(" ", "-")
    return element("section", element("h2", title, id=name), *content, aria_labelledby=name)
