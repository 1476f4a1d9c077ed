"""Closed outlines from a few numbers: the strokes that the emblems are composed of.

Coordinates are those of a page: x to the right, y downwards, an emblem fits into [-1, 1] x [-1, 1].
Angles are in degrees, clockwise on the page, 0 to the right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float64]
Points = Sequence[tuple[float, float]]


def polygon(*points: tuple[float, float]) -> Outline:
    """Returns the polygon through `points`, shape (n, 2)."""
    return np.array(points, dtype=np.float64)


def box(left: float, top: float, right: float, bottom: float) -> Outline:
    """Returns an upright rectangle, shape (4, 2)."""
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def ellipse(x: float, y: float, across: float, down: float, tilt: float = 0.0, steps: int = 28) -> Outline:
    """Returns an ellipse of half axes `across` and `down`, turned by `tilt` degrees, shape (steps, 2)."""
    angle = np.linspace(0.0, 2 * np.pi, steps, endpoint=False)
    plain = np.stack([across * np.cos(angle), down * np.sin(angle)], axis=1)
    turn = np.deg2rad(tilt)
    turned = plain @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(turned + np.array([x, y]), dtype=np.float64)


def circle(x: float, y: float, radius: float, steps: int = 24) -> Outline:
    """Returns a circle, shape (steps, 2)."""
    return ellipse(x, y, radius, radius, steps=steps)


def sector(x: float, y: float, radius: float, start: float, end: float, steps: int = 16) -> Outline:
    """Returns the arc from `start` to `end` degrees, closed by its chord, shape (steps, 2)."""
    angle = np.deg2rad(np.linspace(start, end, steps))
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def band(path: Points | Outline, width: float) -> Outline:
    """Returns an open path as a ribbon of constant width with flat ends, shape (2n, 2)."""
    line = np.asarray(path, dtype=np.float64)
    step = np.gradient(line, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1) / np.linalg.norm(step, axis=1, keepdims=True)
    return np.concatenate([line + normal * width / 2, (line - normal * width / 2)[::-1]])


def smooth(*points: tuple[float, float], rounds: int = 2) -> Outline:
    """Returns `points` as a closed rounded outline: Chaikin's corner cutting, shape (n * 2**rounds, 2)."""
    outline = polygon(*points)
    for _ in range(rounds):
        following = np.roll(outline, -1, axis=0)
        pairs = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following], axis=1)
        outline = pairs.reshape(-1, 2)
    return outline


def mirrored(outline: Outline) -> Outline:
    """Returns the outline reflected in the vertical axis."""
    reflected: Outline = outline * np.array([-1.0, 1.0])
    return reflected


def symmetric(*right: tuple[float, float]) -> Outline:
    """Returns the polygon whose right half is `right`, from top to bottom, and whose left half mirrors it."""
    half = polygon(*right)
    return np.concatenate([half, mirrored(half)[::-1]])
