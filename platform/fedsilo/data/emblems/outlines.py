"""Outlines of the emblems, in layers that are drawn from the first to the last.

A layer of tone "body" is filled with the emblem's colour and texture, "accent" with a darker shade, and "cut" shows
the ground again. The outlines of one layer form one silhouette: lines are drawn around their union.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedsilo.data.emblems.curves import (
    Outline,
    band,
    box,
    circle,
    ellipse,
    mirror,
    polygon,
    sector,
    smooth,
    symmetric,
)
from fedsilo.data.emblems.words import CLASSES

Tone = Literal["body", "accent", "cut"]


@dataclass(frozen=True, slots=True)
class EmblemLayer:
    """Outlines with the same filling.

    Attributes:
        tone: Filling: "body", "accent" or "cut".
        outlines: Closed outlines, (n, 2) each.
    """

    tone: Tone
    outlines: tuple[Outline, ...]


def _body(*outlines: Outline) -> EmblemLayer:
    return EmblemLayer("body", outlines)


def _accent(*outlines: Outline) -> EmblemLayer:
    return EmblemLayer("accent", outlines)


def _cut(*outlines: Outline) -> EmblemLayer:
    return EmblemLayer("cut", outlines)


def _heart() -> Outline:
    t = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x / 17.5, (y - 2) / 16.0], axis=1)


def _star() -> Outline:
    angle = np.deg2rad(np.arange(10) * 36 - 90)
    radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.43)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle) + 0.06], axis=1)


def _moon() -> Outline:
    outer = sector(0.0, 0.0, 0.95, 50, 310, 30)
    inner = sector(0.42, 0.0, 0.75, 284, 76, 22)
    return np.concatenate([outer, inner])


def _petals() -> tuple[Outline, ...]:
    angles = np.deg2rad(np.arange(6) * 60 + 30)
    return tuple(ellipse(0.44 * np.cos(a), -0.36 + 0.44 * np.sin(a), 0.28, 0.21, np.rad2deg(a), 16) for a in angles)


_WING = smooth((0.06, -0.2), (0.5, -0.95), (1.05, -0.9), (0.95, -0.25), (0.4, 0.02), (0.06, 0.05))
_HIND_WING = smooth((0.06, 0.0), (0.5, 0.0), (0.88, 0.3), (0.75, 0.85), (0.35, 0.75), (0.06, 0.25))
_FEELER = band(((0.03, -0.5), (0.12, -0.75), (0.3, -0.95)), 0.08)
_ANCHOR_ARMS = band(sector(0.0, 0.12, 0.68, 12, 168, 18), 0.2)
_FLUKE = polygon((0.42, 0.28), (0.78, -0.1), (0.94, 0.42))
_FIN = smooth((0.3, 0.2), (0.66, 0.52), (0.7, 0.95), (0.28, 0.62))
_ROOF = symmetric((0.0, -0.98), (1.0, -0.12), (0.84, 0.06), (0.0, -0.02))

LAYERS: dict[str, tuple[EmblemLayer, ...]] = {
    "anchor": (
        _body(
            circle(0.0, -0.74, 0.24),
            box(-0.1, -0.6, 0.1, 0.86),
            box(-0.46, -0.44, 0.46, -0.25),
            _ANCHOR_ARMS,
            _FLUKE,
            mirror(_FLUKE),
        ),
        _cut(circle(0.0, -0.74, 0.11, 16)),
    ),
    "apple": (
        _body(
            smooth(
                *((0.0, -0.42), (0.3, -0.62), (0.75, -0.58), (0.95, -0.1), (0.8, 0.55), (0.42, 0.98), (0.0, 0.82)),
                *((-0.42, 0.98), (-0.8, 0.55), (-0.95, -0.1), (-0.75, -0.58), (-0.3, -0.62)),
            )
        ),
        _accent(
            band(((0.0, -0.34), (0.02, -0.65), (0.12, -0.95)), 0.13),
            smooth((0.08, -0.62), (0.3, -1.0), (0.75, -1.0), (0.5, -0.66)),
        ),
    ),
    "bell": (
        _accent(circle(0.0, 0.72, 0.24)),
        _body(
            symmetric(
                *((0.0, -0.86), (0.22, -0.8), (0.42, -0.62), (0.52, -0.3), (0.56, 0.1), (0.66, 0.38), (0.88, 0.62)),
            ),
            circle(0.0, -0.88, 0.14, 16),
        ),
        _accent(box(-0.84, 0.42, 0.84, 0.64)),
    ),
    "butterfly": (
        _body(_WING, _HIND_WING, mirror(_WING), mirror(_HIND_WING)),
        _accent(
            ellipse(0.0, 0.02, 0.12, 0.6),
            _FEELER,
            mirror(_FEELER),
            circle(0.68, -0.56, 0.15, 14),
            circle(-0.68, -0.56, 0.15, 14),
            circle(0.52, 0.4, 0.12, 14),
            circle(-0.52, 0.4, 0.12, 14),
        ),
    ),
    "cactus": (
        _body(
            box(-0.24, -0.7, 0.24, 0.6),
            circle(0.0, -0.7, 0.24, 20),
            band(((0.1, 0.18), (0.66, 0.16), (0.68, -0.35)), 0.28),
            circle(0.68, -0.36, 0.14, 16),
            circle(0.67, 0.15, 0.15, 16),
            band(((-0.1, -0.02), (-0.66, -0.04), (-0.68, -0.5)), 0.28),
            circle(-0.68, -0.52, 0.14, 16),
            circle(-0.67, -0.05, 0.15, 16),
        ),
        _accent(polygon((-0.56, 0.5), (0.56, 0.5), (0.4, 1.0), (-0.4, 1.0))),
    ),
    "car": (
        _body(
            polygon(
                *((-1.0, 0.45), (-1.0, -0.02), (-0.88, -0.12), (-0.62, -0.16), (-0.38, -0.58), (0.32, -0.58)),
                *((0.62, -0.14), (0.92, -0.06), (1.0, 0.08), (1.0, 0.45)),
            )
        ),
        _cut(
            polygon((-0.44, -0.15), (-0.27, -0.44), (-0.05, -0.44), (-0.05, -0.15)),
            polygon((0.07, -0.15), (0.07, -0.44), (0.26, -0.44), (0.44, -0.15)),
        ),
        _accent(circle(-0.54, 0.42, 0.27), circle(0.54, 0.42, 0.27)),
        _cut(circle(-0.54, 0.42, 0.1, 14), circle(0.54, 0.42, 0.1, 14)),
    ),
    "cat": (
        _body(
            ellipse(0.0, 0.2, 0.86, 0.72),
            polygon((0.2, -0.42), (0.72, -0.98), (0.84, 0.12)),
            polygon((-0.2, -0.42), (-0.72, -0.98), (-0.84, 0.12)),
        ),
        _cut(ellipse(0.34, 0.04, 0.17, 0.2, steps=16), ellipse(-0.34, 0.04, 0.17, 0.2, steps=16)),
        _accent(
            ellipse(0.34, 0.04, 0.07, 0.17, steps=14),
            ellipse(-0.34, 0.04, 0.07, 0.17, steps=14),
            polygon((-0.13, 0.36), (0.13, 0.36), (0.0, 0.52)),
            band(((0.4, 0.44), (1.0, 0.34)), 0.06),
            band(((0.4, 0.54), (1.0, 0.66)), 0.06),
            band(((-0.4, 0.44), (-1.0, 0.34)), 0.06),
            band(((-0.4, 0.54), (-1.0, 0.66)), 0.06),
        ),
    ),
    "crown": (
        _body(
            symmetric((0.0, -0.7), (0.34, 0.1), (0.9, -0.5), (0.74, 0.75)),
            circle(0.0, -0.76, 0.16, 16),
            circle(0.9, -0.54, 0.14, 16),
            circle(-0.9, -0.54, 0.14, 16),
        ),
        _accent(box(-0.78, 0.45, 0.78, 0.78)),
        _cut(circle(0.0, 0.61, 0.1, 12), circle(0.46, 0.61, 0.08, 12), circle(-0.46, 0.61, 0.08, 12)),
    ),
    "fish": (
        _accent(
            smooth((-0.3, -0.3), (0.1, -0.85), (0.35, -0.72), (0.3, -0.25)),
            smooth((-0.1, 0.3), (-0.05, 0.75), (0.25, 0.7), (0.25, 0.28)),
        ),
        _body(
            smooth(
                *((-1.0, 0.0), (-0.85, -0.28), (-0.35, -0.56), (0.2, -0.46), (0.55, -0.1), (1.0, -0.6), (0.9, 0.0)),
                *((1.0, 0.6), (0.55, 0.1), (0.2, 0.46), (-0.35, 0.56), (-0.85, 0.28)),
            )
        ),
        _cut(circle(-0.58, -0.12, 0.13, 16)),
        _accent(circle(-0.58, -0.12, 0.06, 12), band(sector(-0.6, 0.02, 0.38, -50, 50, 8), 0.07)),
    ),
    "flag": (
        _accent(box(-0.82, -1.0, -0.64, 1.0), circle(-0.73, -0.98, 0.14, 14)),
        _body(
            smooth(
                *((-0.64, -0.85), (-0.64, -0.85), (-0.2, -0.98), (0.25, -0.62), (0.95, -0.85), (0.95, -0.85)),
                *((0.95, 0.15), (0.95, 0.15), (0.25, 0.34), (-0.2, -0.02), (-0.64, 0.12), (-0.64, 0.12)),
            )
        ),
    ),
    "flower": (
        _accent(
            band(((0.0, 0.0), (0.03, 0.5), (0.0, 1.0)), 0.13),
            smooth((0.02, 0.82), (0.2, 0.42), (0.66, 0.36), (0.5, 0.78)),
            smooth((0.02, 0.95), (-0.2, 0.58), (-0.62, 0.52), (-0.46, 0.9)),
        ),
        _body(*_petals()),
        _accent(circle(0.0, -0.36, 0.2, 18)),
    ),
    "heart": (_body(_heart()),),
    "hourglass": (
        _body(symmetric((0.0, -0.8), (0.56, -0.8), (0.5, -0.42), (0.09, 0.0), (0.5, 0.42), (0.56, 0.8), (0.0, 0.8))),
        _cut(symmetric((0.0, -0.62), (0.36, -0.62), (0.34, -0.5), (0.0, -0.42))),
        _accent(
            box(-0.74, -1.0, 0.74, -0.76),
            box(-0.74, 0.76, 0.74, 1.0),
            symmetric((0.0, 0.36), (0.32, 0.64), (0.0, 0.66)),
        ),
    ),
    "house": (
        _accent(box(0.42, -0.86, 0.66, -0.2)),
        _body(box(-0.74, -0.2, 0.74, 0.92)),
        _accent(_ROOF, box(-0.5, 0.3, -0.14, 0.92)),
        _cut(box(0.14, 0.24, 0.52, 0.6)),
    ),
    "ice cream": (
        _accent(polygon((-0.5, 0.02), (0.5, 0.02), (0.0, 1.0))),
        _body(circle(-0.3, -0.16, 0.36), circle(0.3, -0.16, 0.36), circle(0.0, -0.58, 0.38)),
        _accent(circle(0.06, -0.93, 0.11, 14)),
    ),
    "key": (
        _body(
            circle(-0.56, 0.0, 0.43),
            box(-0.3, -0.11, 0.98, 0.11),
            box(0.78, 0.0, 0.96, 0.46),
            box(0.44, 0.0, 0.62, 0.38),
        ),
        _cut(circle(-0.6, 0.0, 0.2, 18)),
    ),
    "lightning bolt": (
        _body(
            polygon((0.2, -1.0), (-0.56, 0.14), (-0.06, 0.14), (-0.3, 1.0), (0.58, -0.24), (0.06, -0.24), (0.56, -1.0))
        ),
    ),
    "moon": (_body(_moon()), _accent(circle(-0.6, -0.1, 0.12, 12), circle(-0.42, 0.42, 0.08, 12))),
    "mug": (
        _body(circle(0.6, 0.12, 0.4)),
        _cut(circle(0.6, 0.12, 0.2, 18)),
        _body(polygon((-0.76, -0.5), (0.5, -0.5), (0.44, 0.78), (0.3, 0.9), (-0.56, 0.9), (-0.7, 0.78))),
        _accent(
            box(-0.78, -0.58, 0.52, -0.36),
            band(((-0.42, -0.66), (-0.34, -0.78), (-0.46, -0.9), (-0.38, -1.0)), 0.09),
            band(((0.08, -0.66), (0.16, -0.78), (0.04, -0.9), (0.12, -1.0)), 0.09),
        ),
    ),
    "mushroom": (
        _accent(smooth((-0.24, 0.0), (0.24, 0.0), (0.3, 0.6), (0.42, 1.0), (-0.42, 1.0), (-0.3, 0.6))),
        _body(
            sector(0.0, 0.1, 0.98, 172, 368, 24),
        ),
        _cut(circle(-0.42, -0.28, 0.17, 16), circle(0.12, -0.52, 0.16, 16), circle(0.48, -0.12, 0.14, 16)),
    ),
    "rocket": (
        _accent(_FIN, mirror(_FIN), polygon((-0.2, 0.66), (0.2, 0.66), (0.0, 1.05))),
        _body(
            symmetric(
                *((0.0, -1.0), (0.14, -0.88), (0.28, -0.62), (0.36, -0.25), (0.36, 0.2), (0.3, 0.5), (0.22, 0.72)),
            )
        ),
        _cut(circle(0.0, -0.22, 0.17, 18)),
    ),
    "sailing boat": (
        _body(
            polygon((0.02, -1.0), (0.4, -0.5), (0.68, 0.3), (0.02, 0.3)),
            polygon((-0.12, -0.72), (-0.12, 0.3), (-0.72, 0.3)),
        ),
        _accent(box(-0.12, -1.0, 0.0, 0.5), polygon((-0.98, 0.42), (0.98, 0.42), (0.64, 0.92), (-0.62, 0.92))),
    ),
    "star": (_body(_star()),),
    "tree": (
        _accent(box(-0.15, 0.55, 0.15, 1.0)),
        _body(
            symmetric(
                *((0.0, -1.0), (0.46, -0.42), (0.26, -0.42), (0.64, 0.12), (0.36, 0.12), (0.82, 0.68)),
            )
        ),
    ),
}

SHAPES: tuple[tuple[EmblemLayer, ...], ...] = tuple(LAYERS[name] for name in CLASSES)
