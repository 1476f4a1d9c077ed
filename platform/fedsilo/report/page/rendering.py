"""Renders the page's templates with jinja2, which escapes every value that is put into them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
"""Folder of the templates, `NAME.html.jinja`."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no document may contain: control characters, lone surrogates, and marks that change the direction of
the text after them."""


def render(template: str, /, **values: object) -> Markup:
    """Renders a template.

    Args:
        template: Name of the template without `.html.jinja`.
        **values: Variables of the template. Text is escaped; only `Markup` is inserted unchanged.

    Returns:
        The HTML, in which U+FFFD replaces characters that no document may contain.
    """
    html = _environment().get_template(f"{template}.html.jinja").render(values)
    return Markup(_FORBIDDEN.sub("\ufffd", html))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        autoescape=True,
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,  # a name that the section forgot is an error, not an empty text
        trim_blocks=True,
        lstrip_blocks=True,
    )
