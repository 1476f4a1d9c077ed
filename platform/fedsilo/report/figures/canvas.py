"""Figures written as PNG, whatever letters are in them."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from fedsilo.core.state import write_bytes


def save(figure: Figure, path: Path, dpi: float) -> None:
    """Writes a figure as PNG without the time it was made. Raises RunError when the disk refuses."""
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # Names in scripts that the font lacks show as boxes; a warning for each letter does not help.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(picture, format="png", dpi=dpi, metadata={"Software": "fedsilo"})
    write_bytes(path, picture.getvalue())
