"""`fedsilo predict` and `fedsilo new`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from fedsilo.cli.output import line, remark, show, show_json
from fedsilo.cli.run_commands import Json
from fedsilo.core.errors import DataError, RunError
from fedsilo.report.terminal.cells import cell

if TYPE_CHECKING:
    from PIL import Image


def predict(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Image files.")],
    client: Annotated[int, typer.Option(help="The client whose model classifies.")],
    json: Json = False,
) -> None:
    """Classify new images with a client's trained model.

    Args:
        folder: The run's folder.
        images: Image files.
        client: Number of the client.
        json: Whether to print JSON.
    """
    from fedsilo.data.files.tree_survey import summarize_kinds
    from fedsilo.report.results.finished_run import load

    opened = [_open(path) for path in images]
    for text in summarize_kinds((str(path), kinds) for path, (_, kinds) in zip(images, opened, strict=True)):
        remark(text)
    frame = load(folder).predict(client, [image for image, _ in opened], remark)
    frame.insert(0, "image", [str(path) for path in images])
    if json:
        show_json(frame.to_dict("records"))
        return
    table = Table(title=f"{cell(folder.name)}: client {client:02d}", title_justify="left")
    for title in ("image", "class", "probability", "next best"):
        table.add_column(title, justify="right" if title == "probability" else "left")
    for row in frame.to_dict("records"):
        # Names of files and classes may contain rich's markup.
        words = [cell(row[name]) for name in ("image", "class", "next_best")]
        table.add_row(words[0], words[1], f"{row['probability']:.3f}", words[2])
    show(table)


def _open(path: Path) -> tuple[Image.Image, tuple[str, ...]]:
    """The image, and its properties that deserve a remark."""
    from fedsilo.data.files.image_reading import decoded

    try:
        return decoded(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such image.") from None
    except Exception as error:  # decoders raise errors of any type
        raise DataError(f"{path}: is not an image that can be read: {error}.") from error


def new(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, for example my-study.yaml.")],
    force: Annotated[bool, typer.Option(help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented starter scenario.

    Args:
        path: The file to write.
        force: Whether to overwrite an existing file.

    Raises:
        RunError: The file exists or cannot be written.
    """
    from fedsilo.config.starter import SCHEMA_FILE, read_starter

    if path.exists() and not force:
        raise RunError(f"{path}: already exists. Choose another name, or overwrite it with --force.")
    try:
        schema = SCHEMA_FILE if path.with_name(SCHEMA_FILE).exists() else ""
        path.write_text(read_starter(path.stem, schema), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}.") from error
    line(f"wrote {path}. Run it with: fedsilo run {path}")
