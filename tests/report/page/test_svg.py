"""Text in elements is escaped."""

from __future__ import annotations

from markupsafe import Markup

from fedsilo.report.page.rendering import render
from fedsilo.report.page.svg import draw


def test_text_is_escaped_and_markup_is_not() -> None:
    assert draw("text", "<a>", Markup("<b></b>"), title='"&') == '<text title="&#34;&amp;">&lt;a&gt;<b></b></text>'
    assert (
        draw("line", x1=1.0, x2=2.25, id=None, stroke_dasharray="4 2")
        == '<line x1="1" x2="2.2" stroke-dasharray="4 2"/>'
    )
    damaged = render("damaged", title='"&', error="<a>\ud800\x00\u202e" + Markup("<b></b>"))
    assert '<h2 id="&#34;&amp;">&#34;&amp;</h2>' in damaged
    assert "&lt;a&gt;\ufffd\ufffd\ufffd" in damaged
    assert "<b></b>" in damaged
