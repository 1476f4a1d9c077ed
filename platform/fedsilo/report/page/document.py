"""Writes the page of a run as one HTML file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup

from fedsilo.core.printing import encode_utf8
from fedsilo.core.state import write_bytes
from fedsilo.report.page.budget_section import draw_ledger
from fedsilo.report.page.clients_section import draw_clients
from fedsilo.report.page.curve_section import draw_task_curve
from fedsilo.report.page.environment_section import draw_environment
from fedsilo.report.page.faults_section import draw_faults
from fedsilo.report.page.learning_section import draw_learning
from fedsilo.report.page.opening_section import draw_comparison, draw_headline, draw_scenario
from fedsilo.report.page.page_data import PageData, read_page_data
from fedsilo.report.page.partition_section import draw_partition
from fedsilo.report.page.rendering import render
from fedsilo.report.page.stragglers_section import draw_stragglers
from fedsilo.report.page.timing_section import draw_timing
from fedsilo.report.page.traffic_section import draw_traffic
from fedsilo.report.results.finished_run import Run

PAGE = "report.html"
"""Name of the page in a run's folder."""

SECTIONS: dict[str, Callable[[PageData], Markup]] = {
    "Overall": draw_learning,
    "Seen and unseen": draw_task_curve,
    "Clients": draw_clients,
    "Partition": draw_partition,
    "Ledger": draw_ledger,
    "Traffic": draw_traffic,
    "Timeline": draw_timing,
    "Pacing": draw_stragglers,
    "Faults": draw_faults,
    "Surroundings": draw_environment,
}
"""Sections below the opening, in their order, with the title that a section has where its records are damaged."""


def write_page(run: Run, path: Path) -> None:
    """Writes the page of a run, finished or not. Equal records give equal bytes.

    Args:
        run: The run.
        path: The HTML file to write.

    Raises:
        ScenarioError: This version cannot read the run's scenario.
        RunError: The file cannot be written.
    """
    write_bytes(path, encode_utf8(draw_page(read_page_data(run))))


def draw_page(data: PageData) -> str:
    """Draws the page of a run.

    Args:
        data: The run's records.

    Returns:
        HTML that is well-formed XML too.
    """
    return render(
        "page",
        scenario=data.scenario.name,
        run=data.folder.name,
        headline=_draw_or_warn("Headline", draw_headline, data),
        comparison=_draw_or_warn("Comparison", draw_comparison, data),
        asked=_draw_or_warn("Asked", draw_scenario, data),
        sections=[_draw_or_warn(title, draw, data) for title, draw in SECTIONS.items()],
    )


def _draw_or_warn(title: str, draw: Callable[[PageData], Markup], data: PageData) -> Markup:
    """A section of the page, or a warning in its place where its records are damaged."""
    try:
        return draw(data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        return render("damaged", title=title, error=repr(error))
