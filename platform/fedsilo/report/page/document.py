"""The page of a run: one file that needs nothing else, no network and no script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fedsilo.core.printing import encode_utf8
from fedsilo.core.state import write_bytes
from fedsilo.report.page.budget_section import ledger
from fedsilo.report.page.environment_section import surroundings
from fedsilo.report.page.faults_section import faults
from fedsilo.report.page.learning_section import clients, overall
from fedsilo.report.page.markup import Markup, element, section
from fedsilo.report.page.opening_section import asked, comparison, headline
from fedsilo.report.page.page_data import Material, gather
from fedsilo.report.page.partition_section import partition
from fedsilo.report.page.stragglers_section import pacing
from fedsilo.report.page.stylesheet import STYLE
from fedsilo.report.page.timing_section import timeline
from fedsilo.report.page.traffic_section import traffic
from fedsilo.report.results.finished_run import Run

PAGE = "report.html"
"""The page's name in a run's folder."""

SECTIONS = (overall, clients, partition, ledger, traffic, timeline, pacing, faults, surroundings)


def write_page(run: Run, path: Path) -> None:
    """Writes the page of a run, finished or not; the same records give the same bytes.

    Args:
        run: The run.
        path: The HTML file to write.

    Raises:
        ScenarioError: The run's scenario is none of this version.
        RunError: The disk refuses.
    """
    write_bytes(path, encode_utf8(page(gather(run))))


def page(material: Material) -> str:
    """Returns the page as HTML that is well-formed XML too."""
    # What would be loaded from anywhere is refused by the browser itself.
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{material.scenario.name}: fedsilo run {material.folder.name}"),
        element("style", Markup(STYLE)),
    )
    beginning = element("div", _drawn(comparison, material), _drawn(asked, material), class_="pair")
    body = element(
        "body", element("main", _drawn(headline, material), beginning, [_drawn(draw, material) for draw in SECTIONS])
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _drawn(draw: Callable[[Material], Markup], material: Material) -> Markup:
    """A part of the page; a line instead of it where the records that it is made of are not as they should be."""
    try:
        return draw(material)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        title = draw.__name__.capitalize()
        return section(title, element("p", f"Cannot be drawn, its records are damaged: {error!r}.", class_="warning"))
