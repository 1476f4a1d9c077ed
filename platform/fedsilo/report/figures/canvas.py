"""Writes figures as PNG files."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from fedsilo.core.state import write_bytes


def save(figure: Figure, path: Path, dpi: float) -> None:
    """Writes a figure as PNG without its creation time.

    Args:
        figure: The figure.
        path: The file to write.
        dpi: Pixels per inch.

    Raises:
        RunError: The file cannot be written.
    """
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that the font lacks appear as boxes; a warning for each letter does not help.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(picture, format="png", dpi=dpi, metadata={"Software": "fedsilo"})
    write_bytes(path, picture.getvalue())
