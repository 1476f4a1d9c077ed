"""Closed outlines from a few numbers, of which emblems are composed.

Coordinates: x to the right, y downwards; an emblem fits into [-1, 1] x [-1, 1].
Angles are in degrees, clockwise on the page, 0 to the right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float64]
Points = Sequence[tuple[float, float]]


def polygon(*points: tuple[float, float]) -> Outline:
    """Makes a polygon.

    Args:
        *points: n corners (x, y).

    Returns:
        (n, 2) points.
    """
    return np.array(points, dtype=np.float64)


def box(left: float, top: float, right: float, bottom: float) -> Outline:
    """Makes an upright rectangle.

    Args:
        left: Smallest x.
        top: Smallest y.
        right: Largest x.
        bottom: Largest y.

    Returns:
        (4, 2) points.
    """
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def ellipse(x: float, y: float, across: float, down: float, tilt: float = 0.0, steps: int = 28) -> Outline:
    """Makes an ellipse.

    Args:
        x: Centre.
        y: Centre.
        across: Half axis along x before turning.
        down: Half axis along y before turning.
        tilt: Turn in degrees.
        steps: Number of points.

    Returns:
        (steps, 2) points.
    """
    angle = np.linspace(0.0, 2 * np.pi, steps, endpoint=False)
    plain = np.stack([across * np.cos(angle), down * np.sin(angle)], axis=1)
    turn = np.deg2rad(tilt)
    turned = plain @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(turned + np.array([x, y]), dtype=np.float64)


def circle(x: float, y: float, radius: float, steps: int = 24) -> Outline:
    """Makes a circle.

    Args:
        x: Centre.
        y: Centre.
        radius: Radius.
        steps: Number of points.

    Returns:
        (steps, 2) points.
    """
    return ellipse(x, y, radius, radius, steps=steps)


def sector(x: float, y: float, radius: float, start: float, end: float, steps: int = 16) -> Outline:
    """Makes an arc, closed by its chord.

    Args:
        x: Centre.
        y: Centre.
        radius: Radius.
        start: First angle, degrees.
        end: Last angle, degrees.
        steps: Number of points.

    Returns:
        (steps, 2) points.
    """
    angle = np.deg2rad(np.linspace(start, end, steps))
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def band(path: Points | Outline, width: float) -> Outline:
    """Makes a ribbon of constant width with flat ends along an open path.

    Args:
        path: (n, 2) points of the path.
        width: Width of the ribbon.

    Returns:
        (2n, 2) points.
    """
    line = np.asarray(path, dtype=np.float64)
    step = np.gradient(line, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1) / np.linalg.norm(step, axis=1, keepdims=True)
    return np.concatenate([line + normal * width / 2, (line - normal * width / 2)[::-1]])


def smooth(*points: tuple[float, float], rounds: int = 2) -> Outline:
    """Makes a rounded outline by Chaikin's corner cutting.

    Args:
        *points: n corners (x, y).
        rounds: How often corners are cut.

    Returns:
        (n * 2**rounds, 2) points.
    """
    outline = polygon(*points)
    for _ in range(rounds):
        following = np.roll(outline, -1, axis=0)
        pairs = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following], axis=1)
        outline = pairs.reshape(-1, 2)
    return outline


def mirror(outline: Outline) -> Outline:
    """Reflects an outline in the vertical axis.

    Args:
        outline: (n, 2) points.

    Returns:
        (n, 2) points.
    """
    reflected: Outline = outline * np.array([-1.0, 1.0])
    return reflected


def symmetric(*right: tuple[float, float]) -> Outline:
    """Makes a polygon that is symmetric about the vertical axis.

    Args:
        *right: n corners (x, y) of the right half, from top to bottom.

    Returns:
        (2n, 2) points.
    """
    half = polygon(*right)
    return np.concatenate([half, mirror(half)[::-1]])
