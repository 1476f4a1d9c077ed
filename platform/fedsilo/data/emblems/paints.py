"""The three domains painted as surfaces: photo, mosaic and watercolour."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fedsilo.data.emblems.plates import Plates
from fedsilo.data.emblems.surfaces import (
    COLUMNS,
    ROWS,
    SIZE,
    Colour,
    Page,
    Plane,
    blur,
    clouds,
    colour,
    flat,
    grain,
    mix,
)

Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows and columns of the page."""

_STONES = (colour(226, 214, 190), colour(196, 200, 204), colour(64, 68, 78), colour(44, 70, 84), colour(150, 140, 126))
_WASHES = (colour(190, 210, 225), colour(225, 215, 190), colour(205, 220, 200), colour(225, 205, 210))
_WEIGHTS = np.array([0.3, 0.6, 0.1], dtype=np.float32)


def coat(plates: Plates, hue: Colour, shade: Colour, contrast: float) -> Page:
    """Colours an emblem: texture on the body, the shade on its accents.

    Args:
        plates: Plates of the emblem.
        hue: Colour of the emblem.
        shade: Darker colour of texture and accents.
        contrast: Strength of the texture, in [0, 1].

    Returns:
        (64, 64, 3) colours.
    """
    textured = mix(flat(hue), shade, plates.texture * np.float32(contrast))
    return mix(textured, shade, plates.accent)


def photo(plates: Plates, hue: Colour, generator: np.random.Generator) -> Page:
    """Paints the emblem as a lit object in front of blurred things.

    Args:
        plates: Plates of the emblem.
        hue: Colour of the emblem.
        generator: Random generator of the draws.

    Returns:
        The picture.
    """
    page = _clutter(generator)
    angle = generator.uniform(0, 2 * np.pi)
    light = (np.cos(angle) * (COLUMNS / 32 - 1) + np.sin(angle) * (ROWS / 32 - 1)).astype(np.float32)
    soft = blur(plates.body, 2.5)
    shadow = np.roll(soft, (3, 2), axis=(0, 1)) * (1 - plates.body)
    page = page * (1 - np.float32(generator.uniform(0.35, 0.6)) * shadow[:, :, None])
    rim = (soft - np.roll(soft, (2, 2), axis=(0, 1))) * np.float32(0.9)
    thing = coat(plates, hue, hue * np.float32(0.45), 0.6) * (1 + 0.22 * light + rim)[:, :, None]
    page = mix(page, thing, plates.body)
    page = page * np.float32(generator.uniform(0.8, 1.12)) + np.float32(generator.uniform(-0.04, 0.06))
    return page + np.float32(0.03) * generator.standard_normal((SIZE, SIZE, 3), dtype=np.float32)


def _clutter(generator: np.random.Generator) -> Page:
    """Paints muted shapes with a shallow depth of field."""
    tones = generator.integers(70, 200, (7, 3))
    # Muted: halfway to grey, so that the object's colour is the strongest in the picture.
    tones = (0.5 * tones + 0.5 * tones.mean(axis=1, keepdims=True) + (8, 2, -6)).astype(int)
    scene = Image.new("RGB", (SIZE, SIZE), tuple(tones[0]))
    pen = ImageDraw.Draw(scene)
    horizon = int(generator.integers(20, 56))
    pen.rectangle((0, horizon, SIZE, SIZE), fill=tuple(tones[1]))
    for tone in tones[2:]:
        x, y, across, down = (*generator.integers(-6, 64, 2), *generator.integers(5, 16, 2))
        place = (int(x - across), int(y - down), int(x + across), int(y + down))
        (pen.ellipse if generator.random() < 0.5 else pen.rectangle)(place, fill=tuple(tone))
    scene = scene.filter(ImageFilter.GaussianBlur(generator.uniform(1.8, 3.2)))
    haze = (clouds(5, generator) - 0.5) * np.float32(0.22)
    return np.asarray(scene, dtype=np.float32) / 255 + haze[:, :, None]


def mosaic(plates: Plates, hue: Colour, generator: np.random.Generator) -> Page:
    """Paints the emblem in small stones of one colour each, with joints between them.

    Args:
        plates: Plates of the emblem.
        hue: Colour of the emblem.
        generator: Random generator of the draws.

    Returns:
        The picture.
    """
    cell, joint, tints = _stones(generator)
    ground = _ground(hue, generator)
    body, accent, texture = (plane[cell] > 0.5 for plane in (blur(plates.body, 0.8), plates.accent, plates.texture))
    shade = hue * np.float32(0.5)
    paint = np.where(accent[..., None], shade, np.where(texture[..., None], 0.72 * hue + 0.1, hue))
    stones = np.where(body[..., None], paint, ground).astype(np.float32) * tints[..., None]
    grout = colour(70, 66, 62) if ground.mean() > 0.4 else colour(150, 146, 140)
    page = mix(stones, grout, joint)
    return page + grain(0.015, generator)[:, :, None]


def _ground(hue: Colour, generator: np.random.Generator) -> Colour:
    """Chooses a stone colour that differs clearly from the emblem's colour."""
    far = [stone for stone in _STONES if abs(float(_WEIGHTS @ (stone - hue))) > 0.2]
    return far[generator.integers(len(far))]


def _stones(generator: np.random.Generator) -> tuple[Pixels, Plane, Plane]:
    """Lays stones around displaced grid points: each pixel belongs to the nearest one (a Voronoi pattern).

    Returns:
        Row and column of the centre of each pixel's stone, joints in [0, 1], and the brightness of each pixel's stone.
    """
    across = int(generator.integers(18, 21))
    pitch = np.float32(SIZE / across)
    grid = np.arange(-1, across + 1, dtype=np.float32) + np.float32(0.5)
    shake = generator.uniform(-0.26, 0.26, (2, across + 2, across + 2)).astype(np.float32)
    rows, columns = ((grid[:, None] + shake[0]) * pitch).ravel(), ((grid + shake[1]) * pitch).ravel()
    near = _neighbours(across)
    gaps = np.square(rows[near] - ROWS.ravel() - 0.5) + np.square(columns[near] - COLUMNS.ravel() - 0.5)
    choice = gaps.argmin(axis=0)[None]
    first = np.take_along_axis(gaps, choice, axis=0)
    np.put_along_axis(gaps, choice, np.float32(np.inf), axis=0)
    joint = np.clip(0.9 - (np.sqrt(gaps.min(axis=0)) - np.sqrt(first[0])), 0, 0.5).reshape(SIZE, SIZE)
    stone = np.take_along_axis(near, choice, axis=0).reshape(SIZE, SIZE)
    row, column = (np.clip(axis, 0, SIZE - 1).astype(np.intp)[stone] for axis in (rows, columns))
    tints = generator.normal(1.0, 0.06, (across + 2) ** 2).astype(np.float32)
    return (row, column), joint, tints[stone]


@cache
def _neighbours(across: int) -> NDArray[np.intp]:
    """Numbers the 9 grid cells around each pixel, (9, 64 * 64), in a flat grid with a frame of 1."""
    row, column = ((axis.ravel() * across / SIZE).astype(np.intp) + 1 for axis in (ROWS, COLUMNS))
    return np.stack([(row + down) * (across + 2) + column + right for down in (-1, 0, 1) for right in (-1, 0, 1)])


def watercolour(plates: Plates, hue: Colour, generator: np.random.Generator) -> Page:
    """Paints the emblem as washes of pigment on grainy paper, darker at the edges where they dried.

    Args:
        plates: Plates of the emblem.
        hue: Colour of the emblem.
        generator: Random generator of the draws.

    Returns:
        The picture.
    """
    paper = colour(249, 245, 234) + (grain(0.018, generator) + 0.03 * (clouds(20, generator) - 0.5))[:, :, None]
    stain = _WASHES[generator.integers(len(_WASHES))]
    page = mix(paper, stain, 0.8 * np.clip(2 * clouds(4, generator) - 0.8, 0, 1))
    inside = blur(plates.body, 2.2)
    wet = blur(plates.body, 0.7)
    rim = np.clip(plates.body * (1 - inside) * 1.5, 0, 1)
    density = wet * (0.42 + 0.4 * clouds(6, generator)) + 0.35 * rim
    pigment = coat(plates, hue, hue * np.float32(0.45), 0.55)
    page = mix(page, page * pigment, np.clip(density, 0, 1))
    for x, y, size in generator.uniform((0, 0, 0.6), (64, 64, 1.8), (4, 3)):
        drop = np.clip(size - np.hypot(COLUMNS - x, ROWS - y), 0, 1).astype(np.float32)
        page = mix(page, page * hue, 0.5 * drop)
    return mix(page, colour(90, 80, 75), plates.lines * np.float32(generator.uniform(0.35, 0.65)))
