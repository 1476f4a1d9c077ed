"""Rasterized plates of an emblem: its silhouette, darker parts, lines and texture on the page.

Plates are drawn three times too large and averaged down, so that every edge is smooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fedsilo.data.emblems.outlines import SHAPES, EmblemLayer
from fedsilo.data.emblems.surfaces import COLUMNS, ROWS, SIZE, Plane, as_plane
from fedsilo.data.emblems.words import TEXTURES

_FINE = 3
_CANVAS = SIZE * _FINE


@dataclass(frozen=True, slots=True)
class Pose:
    """Position of an emblem on the page.

    Attributes:
        matrix: (2, 2) from the emblem's coordinates to pixels: scale, turn, slant and mirroring.
        centre: (2,) pixel position of the emblem's origin.
        wobble: (2, 4) amplitudes in pixels and phases of the hand's tremble along x and y.
    """

    matrix: NDArray[np.float64]
    centre: NDArray[np.float64]
    wobble: NDArray[np.float64]

    def place(self, outline: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places an outline on the page.

        Args:
            outline: (n, 2) points of the emblem.

        Returns:
            (n, 2) points in pixels.
        """
        points = outline @ self.matrix.T + self.centre
        amplitude, phase = self.wobble
        waves = np.sin(points[:, [1, 0, 1, 0]] * (0.11, 0.13, 0.31, 0.27) + phase) * amplitude
        return np.asarray(points + waves[:, :2] + waves[:, 2:])


@dataclass(frozen=True, slots=True)
class Plates:
    """Parts of an emblem on the page, each (64, 64) in [0, 1].

    Attributes:
        body: The whole silhouette.
        accent: Its darker parts.
        lines: The drawn outline; empty if no lines are drawn.
        texture: Dark parts of the texture, over the whole page; 0 for the plain texture.
    """

    body: Plane
    accent: Plane
    lines: Plane
    texture: Plane


def draw_pose(generator: np.random.Generator, radius: tuple[float, float], wobble: float) -> Pose:
    """Draws a random pose.

    Args:
        generator: Random generator of the draws.
        radius: Smallest and largest half size of the emblem, pixels.
        wobble: Tremble of the outline, pixels; 0 for a steady hand.

    Returns:
        The pose.
    """
    size = generator.uniform(*radius)
    turn, slant = np.deg2rad(generator.normal(0.0, 9.0)), generator.normal(0.0, 0.08)
    flip = -1.0 if generator.random() < 0.5 else 1.0
    stretch = np.exp(generator.normal(0.0, 0.06))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = size * rotation @ np.array([[flip * stretch, slant], [0.0, 1 / stretch]])
    room = max(SIZE / 2 - size, 1.0) * 0.9
    centre = SIZE / 2 + generator.uniform(-room, room, 2)
    tremble = np.stack([wobble * generator.uniform(0.4, 1.0, 4), generator.uniform(0, 2 * np.pi, 4)])
    return Pose(matrix, centre, tremble)


def make_plates(label: int, texture: int, pose: Pose, line_width: float, generator: np.random.Generator) -> Plates:
    """Draws the plates of one emblem.

    Args:
        label: Class number.
        texture: Texture number.
        pose: Its pose.
        line_width: Width of its lines, pixels; 0 draws none.
        generator: Random generator of the texture's direction and size.

    Returns:
        The plates.
    """
    body, accent, lines = (Image.new("L", (_CANVAS, _CANVAS)) for _ in range(3))
    pens = [ImageDraw.Draw(body), ImageDraw.Draw(accent), ImageDraw.Draw(lines)]
    for layer in SHAPES[label]:
        _draw_layer(layer, pose, round(2 * line_width * _FINE), pens)
    coverage = [as_plane(plate.reduce(_FINE)) for plate in (body, accent, lines)]
    return Plates(coverage[0], coverage[1], coverage[2], make_texture(TEXTURES[texture], generator))


def _draw_layer(layer: EmblemLayer, pose: Pose, stroke: int, pens: list[ImageDraw.ImageDraw]) -> None:
    body, accent, lines = pens
    placed = [[(x, y) for x, y in (pose.place(outline) * _FINE).tolist()] for outline in layer.outlines]
    # All strokes first, then all insides: this leaves lines around the union of the outlines.
    for points in placed if stroke else ():
        # Curves of many points have no visible corners.
        joint = "curve" if len(points) < 14 else None
        lines.line([*points, points[0], points[1]], fill=255, width=stroke, joint=joint)
    for points in placed:
        body.polygon(points, fill=0 if layer.tone == "cut" else 255)
        accent.polygon(points, fill=255 if layer.tone == "accent" else 0)
        if stroke:
            lines.polygon(points, fill=0)


def make_texture(name: str, generator: np.random.Generator) -> Plane:
    """Draws a texture over the whole page.

    Args:
        name: Name of the texture, one of `TEXTURES`.
        generator: Random generator of its direction and size.

    Returns:
        (64, 64) in [0, 1], 1 where it is dark.
    """
    angle, period = generator.uniform(0, np.pi), generator.uniform(6.5, 9.0)
    shift = generator.uniform(0, 2 * np.pi, 2).astype(np.float32)
    if name == "plain":
        return np.zeros((SIZE, SIZE), dtype=np.float32)
    frequency, cosine, sine = (np.float32(value) for value in (2 * np.pi / period, np.cos(angle), np.sin(angle)))
    across = np.sin((COLUMNS * cosine + ROWS * sine) * frequency + shift[0])
    along = np.sin((ROWS * cosine - COLUMNS * sine) * frequency + shift[1])
    waves = {
        "striped": 0.5 + 2.0 * across,
        "checked": 0.5 + 2.5 * across * along,
        "spotted": 2.5 * (across + along) - 1.8,
    }
    dark: Plane = np.clip(waves[name], 0, 1).astype(np.float32)
    return dark
