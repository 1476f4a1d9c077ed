"""`fedsilo data check|get|list`: checks, downloads and lists data sets."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from fedsilo.cli.command_group import CommandGroup
from fedsilo.cli.data_contents import describe_classes, describe_images, domains_table
from fedsilo.cli.output import line, progress_console, show, show_json
from fedsilo.cli.run_commands import Json
from fedsilo.core.errors import DataError
from fedsilo.report.terminal.cells import cell

if TYPE_CHECKING:
    from fedsilo.core import Dataset, Examples

SAMPLE = 16
"""Images of each split that are decoded in a sample."""

app = CommandGroup(help="Data sets: check files, download, list.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A data set, for example oxford_pets; see `fedsilo list`.")]
Root = Annotated[Path | None, typer.Option("--root", metavar="DIR", help="Folder of its files: data.root.")]


@app.command("check")
def check(
    name: Name,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Its other keys, for example split=coop.")
    ] = None,
    root: Root = None,
    everything: Annotated[bool, typer.Option("--all", help="Decode every image, not a sample.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of data sets that are drawn.")] = 0,
    json: Json = False,
) -> None:
    """Load a data set as a scenario would, and print its contents; exit code 2 when something is missing or broken.

    Args:
        name: Name of the data set.
        changes: Texts `key=value` of its other keys.
        root: Folder of its files.
        everything: Whether to decode every image.
        seed: Seed of random data sets.
        json: Whether to print JSON.

    Raises:
        DataError: Images are missing or broken.
    """
    images = _data_set(name, root, changes or ()).load(seed)
    parts = [images.train, images.test, *([images.validation] if images.validation is not None else [])]
    decoded = sum(_decode(part, everything) for part in parts)
    document = describe_images(name, images, decoded)
    if json:
        show_json(document)
        return
    show(domains_table(document))
    line(describe_classes(document))
    line(f"template: {document['template']}")
    for notice in images.notices:
        line(f"note: {notice}")
    size = f"{document['bytes'] / 1e6:,.1f} MB in {document['files']:,} files, " if document["files"] else ""
    line(f"{size}{decoded:,} of {sum(map(len, parts)):,} images decoded, all sound")


@app.command("get")
def get(
    name: Name,
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="Folder for its files: data.root.")],
    replace: Annotated[bool, typer.Option("--replace", help="Download existing files again.")] = False,
) -> None:
    """Download a data set where this is possible: resumed after an interruption, verified, unpacked.

    Args:
        name: Name of the data set.
        root: Folder for its files.
        replace: Whether to download damaged files again.

    Raises:
        DataError: The data set has no files, or they cannot be downloaded.
    """
    from fedsilo.core import Dataset
    from fedsilo.core.registry import find
    from fedsilo.data.files.user_paths import expand
    from fedsilo.data.published.unpacking import obtain

    card = getattr(find(Dataset, name), "card", None)
    if card is None:
        raise DataError(f"{name}: has no files to download.")
    if not card.archives:
        raise DataError(f"{name}: cannot be downloaded by fedsilo. {card.get}")
    with _bars() as bars:
        task = bars.add_task(name, total=None)

        def show_progress(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None)

        fetched = obtain(card.archives, expand(str(root)), show_progress, replace)
    line(f"{name}: {'fetched ' + ', '.join(fetched) if fetched else 'everything is there'} ({root})")
    line(f"check it: fedsilo data check {name} --root {root}")


@app.command("list")
def list_data(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of docs/data.md.")] = False,
    json: Json = False,
) -> None:
    """List the published data sets: domains, classes, images, prompt, folders, how to get them.

    Args:
        markdown: Whether to print the table of docs/data.md.
        json: Whether to print JSON.
    """
    from dataclasses import asdict

    cards = _cards()
    if json:
        show_json([asdict(card) for card in cards])
    elif markdown:
        print("\n".join(markdown_rows(cards)))
    else:
        table = Table(title="published data sets", title_justify="left")
        for column in ("name", "domains", "classes", "images", "fetched", "lies in"):
            table.add_column(column, overflow="fold")
        for card in cards:
            count = str(len(card.domains) or 1)
            fetched = card.size if card.archives else "by hand"
            table.add_row(card.name, count, str(card.classes), f"{card.images:,}", fetched, cell(card.lies))
        show(table)


def markdown_rows(cards: Sequence[Any]) -> list[str]:
    """Writes data sets as a Markdown table.

    Args:
        cards: Cards of the data sets.

    Returns:
        The lines of the table.
    """
    rows = ["| name | domains | classes | images | prompt | files below the root | how to get them |", "|" + "---|" * 7]
    for card in cards:
        domains = ", ".join(card.domains) or "1"
        got = f"`fedsilo data get {card.name}` ({card.size}), or " if card.archives else ""
        rows.append(
            f"| `{card.name}` | {domains} | {card.classes} | {card.images:,} | {card.template} | `{card.lies}` "
            f"| {got}{card.get} |"
        )
    return rows


def _cards() -> list[Any]:
    from fedsilo.core import Dataset
    from fedsilo.core.registry import find, names

    found = (getattr(find(Dataset, name), "card", None) for name in names(Dataset))
    return [card for card in found if card is not None]


def _data_set(name: str, root: Path | None, changes: Sequence[str]) -> Dataset:
    """The data set of a scenario that has only this section. Raises ScenarioError with all problems of its keys."""
    from fedsilo.config.scenario_reading import from_mapping

    section = {"name": name, **({"root": str(root)} if root else {})}
    return from_mapping({"data": section}, [f"data.{change}" for change in changes]).data


def _decode(part: Examples, everything: bool) -> int:
    """Decodes all images, or an even sample. Returns how many. Raises DataError with the names of broken ones."""
    import numpy as np

    count = len(part) if everything else min(SAMPLE, len(part))
    positions = np.unique(np.linspace(0, len(part) - 1, count).astype(int)).tolist()
    with ThreadPoolExecutor(8) as pool:
        faults = [fault for fault in pool.map(lambda i: _fault(part, i), positions) if fault]
    if faults:
        rest = f" And {len(faults) - 3:,} more." if len(faults) > 3 else ""
        raise DataError(f"{len(faults):,} of {len(positions):,} images are broken: {' '.join(faults[:3])}{rest}")
    return len(positions)


def _fault(part: Examples, position: int) -> str:
    try:
        part.fetch(position)
    except DataError as error:
        return str(error)
    return ""


def _bars() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    console = progress_console()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
