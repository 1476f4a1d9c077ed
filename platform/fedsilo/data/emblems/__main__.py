"""`python -m fedsilo.data.emblems SHEET.png` draws a contact sheet of all classes in all domains."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from fedsilo.core.seeds import numpy_generator
from fedsilo.data.emblems.drawing import Emblem, draw
from fedsilo.data.emblems.surfaces import SIZE
from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS, TEXTURES

_MARGIN = 84
_HEADER = 14


def contact_sheet(seed: int, columns: int = 2, scale: int = 1) -> Image.Image:
    """Draws one emblem of every class in every domain on one sheet, one class per row.

    Args:
        seed: Seed of the emblems.
        columns: Number of columns of classes.
        scale: Enlargement: pixels of the sheet per pixel of an emblem.

    Returns:
        The sheet, RGB.
    """
    generator = numpy_generator(seed, "emblems contact sheet")
    step, rows = SIZE * scale, -(-len(CLASSES) // columns)
    width = _MARGIN + len(DOMAINS) * step
    sheet = Image.new("RGB", (columns * width, _HEADER + rows * step), "white")
    pen = ImageDraw.Draw(sheet)
    for label, name in enumerate(CLASSES):
        left, top = (label // rows) * width, _HEADER + (label % rows) * step
        pen.text((left + 4, top + step // 2 - 6), name, fill="black")
        for domain, title in enumerate(DOMAINS):
            place = (left + _MARGIN + domain * step, top)
            pen.text((place[0] + 4, 1), title, fill="black")
            colour, texture = generator.integers(len(COLOURS)), generator.integers(len(TEXTURES))
            emblem = Emblem(label, int(colour), int(texture), domain, int(generator.integers(2**62)))
            sheet.paste(draw(emblem).resize((step, step), Image.Resampling.NEAREST), place)
    return sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the sheet and writes it.

    Args:
        arguments: Command line; None for that of the process.

    Returns:
        Exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m fedsilo.data.emblems", description="Draws a contact sheet of emblems."
    )
    parser.add_argument("sheet", type=Path, help="image file to write, for example sheet.png")
    parser.add_argument("--seed", type=int, default=0, help="which pictures (default 0)")
    parser.add_argument("--columns", type=int, default=2, help="columns of classes (default 2)")
    parser.add_argument("--scale", type=int, default=1, help="enlargement (default 1)")
    options = parser.parse_args(arguments)
    contact_sheet(options.seed, options.columns, options.scale).save(options.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
