"""A heat map of clients by rounds, with one pixel per value, for runs with too many clients for single curves."""

from __future__ import annotations

import base64
import io

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from fedsilo.report.page.chart_frame import Frame, choose_ticks, choose_whole_ticks
from fedsilo.report.page.svg import draw

# From dark to light, like viridis: the order is visible without colour vision, on white and on black.
STOPS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
MISSING = (150, 150, 150)


def draw_heat_map(values: NDArray[np.float64], low: float, high: float, about: str) -> Markup:
    """Draws the heat map.

    Args:
        values: Values (clients, rounds) in [low, high]; nan where nothing was measured.
        low: Value of the darkest colour.
        high: Value of the lightest colour.
        about: What the heat map shows, for screen readers.

    Returns:
        The chart.
    """
    clients, rounds = values.shape
    height = min(max(3.0 * clients, 160.0), 1000.0) + 46.0
    frame = Frame((-0.5, rounds - 0.5), (clients - 0.5, -0.5), width=720.0, height=height)
    wide, high_px = frame.width - frame.left - frame.right, frame.height - frame.top - frame.bottom
    picture = draw(
        "image",
        href=data_uri(_png(_colour(values, low, high))),
        x=frame.left,
        y=frame.top,
        width=wide,
        height=high_px,
        preserveAspectRatio="none",
        class_="pixels",
    )
    beside = [
        draw("text", f"{tick:g}", x=frame.left - 6, y=frame.y(tick) + 4, class_="tick end")
        for tick in choose_ticks(0.0, float(clients - 1), 8)
        if tick == int(tick)
    ]
    return frame.draw_chart(about, picture, *beside, *frame.draw_axis("round", choose_whole_ticks(rounds - 1, 12)))


def draw_colour_scale(low: float, high: float) -> Markup:
    """Draws the colours of a heat map in one row, for its legend.

    Args:
        low: Value of the darkest colour.
        high: Value of the lightest colour.

    Returns:
        The picture.
    """
    steps = np.linspace(low, high, 64)[None]
    uri = data_uri(_png(_colour(steps, low, high)))
    picture = draw("image", href=uri, width=150, height=12, preserveAspectRatio="none")
    return draw("svg", picture, viewBox="0 0 150 12", class_="scale", aria_hidden="true")


def data_uri(png: bytes) -> str:
    """Encodes a picture as a `data:` address that contains it.

    Args:
        png: A PNG file.

    Returns:
        The address.
    """
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _colour(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """The RGB colour (..., 3) of each value."""
    part = np.clip((np.nan_to_num(values, nan=low) - low) / ((high - low) or 1.0), 0.0, 1.0)
    at = np.linspace(0.0, 1.0, len(STOPS))
    colours = np.stack([np.interp(part, at, [stop[channel] for stop in STOPS]) for channel in range(3)], axis=-1)
    colours[np.isnan(values)] = MISSING
    return colours.round().astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(file, format="PNG", optimize=False, compress_level=9)
    return file.getvalue()
