"""A heat map of clients by rounds, one pixel a value, for runs with more clients than there is room for curves."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.report.page.line_chart import Frame, ticks, whole_ticks
from fedsilo.report.page.markup import Markup, element

# Dark to light like viridis: the order can be seen without telling colours apart, on white and on black.
STOPS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
MISSING = (150, 150, 150)


def heat_map(values: NDArray[np.float64], low: float, high: float, about: str) -> Markup:
    """Returns the picture.

    Args:
        values: (clients, rounds) in [low, high]; nan where nothing was measured.
        low: What is darkest.
        high: What is lightest.
        about: What the picture shows.
    """
    clients, rounds = values.shape
    height = min(max(3.0 * clients, 160.0), 1000.0) + 46.0
    frame = Frame((-0.5, rounds - 0.5), (clients - 0.5, -0.5), width=720.0, height=height)
    wide, high_px = frame.width - frame.left - frame.right, frame.height - frame.top - frame.bottom
    picture = element(
        "image",
        href=data_uri(_png(_coloured(values, low, high))),
        x=frame.left,
        y=frame.top,
        width=wide,
        height=high_px,
        preserveAspectRatio="none",
        class_="pixels",
    )
    beside = [
        element("text", f"{tick:g}", x=frame.left - 6, y=frame.y(tick) + 4, class_="tick end")
        for tick in ticks(0.0, float(clients - 1), 8)
        if tick == int(tick)
    ]
    return frame.picture(about, picture, *beside, *frame.below("round", whole_ticks(rounds - 1, 12)))


def scale(low: float, high: float, write: Callable[[float], str]) -> Markup:
    """Returns the legend of the colours, its ends written by a function."""
    steps = np.linspace(low, high, 64)[None]
    picture = element(
        "image", href=data_uri(_png(_coloured(steps, low, high))), width=150, height=12, preserveAspectRatio="none"
    )
    bar = element("svg", picture, viewBox="0 0 150 12", class_="scale", aria_hidden="true")
    return element("p", f"{write(low)} ", bar, f" {write(high)}, grey: not measured", class_="faint")


def data_uri(png: bytes) -> str:
    """Returns a PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _coloured(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """(..., 3) colours of values."""
    part = np.clip((np.nan_to_num(values, nan=low) - low) / ((high - low) or 1.0), 0.0, 1.0)
    at = np.linspace(0.0, 1.0, len(STOPS))
    colours = np.stack([np.interp(part, at, [stop[channel] for stop in STOPS]) for channel in range(3)], axis=-1)
    colours[np.isnan(values)] = MISSING
    return colours.round().astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(file, format="PNG", optimize=False, compress_level=9)
    return file.getvalue()
