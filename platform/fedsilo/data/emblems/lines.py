"""The three domains drawn as lines: sketch, blueprint and neon."""

from __future__ import annotations

import numpy as np

from fedsilo.data.emblems.plates import Plates, Pose
from fedsilo.data.emblems.surfaces import COLUMNS, ROWS, Colour, Page, Plane, blur, clouds, colour, flat, grain, mix


def sketch(plates: Plates, again: Plates, hue: Colour, generator: np.random.Generator) -> Page:
    """Draws the emblem in coloured pencil: two strokes that do not quite meet, and hatching.

    Args:
        plates: Plates of the emblem.
        again: Plates of the same emblem with another tremble of the hand.
        hue: Colour of the pencil.
        generator: Random generator of the draws.

    Returns:
        The picture.
    """
    page = flat(colour(246, 244, 240)) + grain(0.02, generator)[:, :, None]
    pressure = 0.75 + 0.5 * (clouds(9, generator) - 0.5)
    hatch = _hatch(generator.uniform(0.6, 1.0), generator.uniform(3.2, 4.6)) * (0.45 + 0.55 * plates.texture)
    dense = _hatch(generator.uniform(-0.9, -0.5), 2.6) * plates.accent
    tooth = 1 - 0.5 * clouds(40, generator)
    page = mix(page, hue, np.clip(0.75 * hatch * plates.body + 0.7 * dense, 0, 1) * tooth)
    pencil = hue * np.float32(0.42)
    strokes = np.maximum(plates.lines, 0.8 * again.lines) * pressure * (0.8 + 0.2 * tooth)
    return mix(page, pencil, np.clip(strokes, 0, 1))


def _hatch(slope: float, period: float) -> Plane:
    wave = np.sin((COLUMNS + np.float32(slope) * ROWS) * np.float32(2 * np.pi / period))
    return np.clip(0.5 + wave, 0, 1).astype(np.float32)


def blueprint(plates: Plates, pose: Pose, hue: Colour, generator: np.random.Generator) -> Page:
    """Draws the emblem as a plan: light lines on ruled blue paper, with centre lines and a dimension line.

    Args:
        plates: Plates of the emblem.
        pose: Pose of the emblem.
        hue: Colour of the emblem.
        generator: Random generator of the draws.

    Returns:
        The picture.
    """
    base = colour(24, 58, 122) + np.float32(generator.normal(0, 0.02))
    page = flat(base) + (0.07 * (clouds(4, generator) - 0.5) + grain(0.012, generator))[:, :, None]
    offset = int(generator.integers(16))
    ruled = ((COLUMNS + offset) % 4 == 0) | ((ROWS + offset) % 4 == 0)
    major = ((COLUMNS + offset) % 16 == 0) | ((ROWS + offset) % 16 == 0)
    chalk = colour(235, 240, 250)
    page = mix(page, chalk, 0.07 * ruled + 0.13 * major)
    ink = 0.5 * chalk + 0.5 * hue
    fill = plates.body * (0.28 + 0.3 * plates.texture + 0.25 * plates.accent)
    page = mix(page, 0.8 * hue + 0.1, np.clip(fill, 0, 1))
    page = mix(page, chalk, 0.5 * _construction(pose) * (1 - plates.body))
    return mix(page, ink, plates.lines * np.float32(0.95))


def _construction(pose: Pose) -> Plane:
    """Draws dashed centre lines and a dimension line with its end marks."""
    x, y = (float(part) for part in np.round(pose.centre))
    half = float(np.round(np.linalg.norm(pose.matrix[:, 0])))
    edge = 61.0 if y < 34 else 2.0
    right, down, below = COLUMNS - x, ROWS - y, ROWS - edge
    dashes = ((down == 0) & (COLUMNS % 6 < 4)) | ((right == 0) & (ROWS % 6 < 4))
    rule = (below == 0) & (np.abs(right) <= half)
    ends = (np.abs(below) <= 2) & (np.abs(np.abs(right) - half) < 0.5)
    marks: Plane = (dashes | rule | ends).astype(np.float32)
    return marks


def neon(plates: Plates, hue: Colour, generator: np.random.Generator) -> Page:
    """Draws the emblem as glowing tubes on a dark brick wall.

    Args:
        plates: Plates of the emblem.
        hue: Colour of the tubes.
        generator: Random generator of the draws.

    Returns:
        The picture.
    """
    wall = colour(30, 26, 34) * np.float32(generator.uniform(0.5, 1.3))
    offset = generator.integers(0, 12, 2)
    course = (ROWS + offset[0]) // 7
    mortar = ((ROWS + offset[0]) % 7 == 0) | ((COLUMNS + offset[1] + 6 * (course % 2)) % 12 == 0)
    brick = (0.8 + 0.4 * clouds(12, generator)) * (1 - 0.5 * mortar)
    power = np.float32(generator.uniform(0.8, 1.1))
    near, far = blur(plates.lines, 1.6), blur(plates.lines, 5.0)
    inside = plates.body * (0.1 + 0.22 * plates.texture + 0.12 * plates.accent)
    light = hue / max(float(hue.max()), 0.65)
    glow = (0.55 * near + 1.1 * far * brick + inside) * power
    page = flat(wall) * brick[:, :, None] + light * glow[:, :, None]
    page = mix(page, light, np.clip(1.1 * plates.lines, 0, 1))
    core = np.clip(1.6 * plates.lines - 0.75, 0, 1) * np.float32(0.7)
    return mix(page, 0.35 * light + 0.65, core) + grain(0.012, generator)[:, :, None]
