"""`python -m fedsilo.partitioning.corruption SHEET.png` draws one emblem in all kinds and severities of corruption."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from fedsilo.data.emblems.drawing import Emblem, draw
from fedsilo.data.emblems.surfaces import SIZE
from fedsilo.data.emblems.words import CLASSES, DOMAINS
from fedsilo.partitioning.corruption.alteration import Alteration
from fedsilo.partitioning.corruption.kinds import KINDS, SEVERITIES

_MARGIN = 68
_HEADER = 14
_COLOURS = 160


def sheet_of_kinds(seed: int, label: int, domain: int, columns: int = 2) -> Image.Image:
    """Draws one emblem in all kinds and severities on one sheet, one kind per row, from severity 0.

    Args:
        seed: Seed of the emblem and of the corruptions.
        label: Class number of the emblem.
        domain: Domain number of the emblem.
        columns: Number of columns of kinds.

    Returns:
        The sheet, RGB.
    """
    emblem = Emblem(label, colour=0, texture=0, domain=domain, seed=seed)
    picture, digest = draw(emblem), emblem.digest()
    rows, width = -(-len(KINDS) // columns), _MARGIN + (1 + len(SEVERITIES)) * SIZE
    sheet = Image.new("RGB", (columns * width, _HEADER + rows * SIZE), "white")
    pen = ImageDraw.Draw(sheet)
    for number, kind in enumerate(KINDS):
        left, top = (number // rows) * width, _HEADER + (number % rows) * SIZE
        pen.text((left + 4, top + SIZE // 2 - 6), kind.replace("_", "\n"), fill="black")
        for place, severity in enumerate((0, *SEVERITIES)):
            over = left + _MARGIN + place * SIZE
            pen.text((over + SIZE // 2 - 3, 1), str(severity), fill="black")
            sheet.paste(Alteration(kind, severity, seed)(picture, digest), (over, top))
    return sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the sheet and writes it.

    Args:
        arguments: Command line; None for that of the process.

    Returns:
        Exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m fedsilo.partitioning.corruption",
        description="Draws an emblem in all kinds and severities of corruption.",
    )
    parser.add_argument("sheet", type=Path, help="PNG file to write, for example sheet.png")
    parser.add_argument("--seed", type=int, default=0, help="which emblem, and what is drawn (default 0)")
    parser.add_argument("--label", choices=CLASSES, default="butterfly", help="class of the emblem (default butterfly)")
    parser.add_argument(
        "--domain", choices=DOMAINS, default="watercolour", help="domain of the emblem (default watercolour)"
    )
    parser.add_argument("--columns", type=int, default=2, help="columns of kinds (default 2)")
    options = parser.parse_args(arguments)
    label, domain = CLASSES.index(options.label), DOMAINS.index(options.domain)
    sheet = sheet_of_kinds(options.seed, label, domain, options.columns)
    # A palette, because noise does not compress and the sheet is only for the eye.
    sheet.quantize(_COLOURS, dither=Image.Dither.NONE).save(options.sheet, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
