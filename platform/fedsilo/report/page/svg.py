"""SVG elements as markup, with every text and attribute in them escaped."""

from __future__ import annotations

from markupsafe import Markup, escape


def draw(name: str, /, *content: str, **attributes: object) -> Markup:
    """Draws an SVG element.

    Args:
        name: Name of the element, such as "rect".
        *content: What is inside the element: markup of other elements, or text, which is escaped.
        **attributes: Attributes by name. `class_` is written as class and `stroke_dasharray` as stroke-dasharray; a
            float gets one decimal; None leaves the attribute out.

    Returns:
        The element; a self-closing one without `content`. It is well-formed in HTML and in XML.
    """
    written = "".join(f' {_key(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    if not content:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{Markup('').join(content)}</{name}>")


def _key(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: object) -> Markup:
    return escape(f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value))
