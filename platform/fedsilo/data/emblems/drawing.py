"""Drawing of an emblem from its description, with the same pixels in every process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fedsilo.data.emblems.lines import blueprint, neon, sketch
from fedsilo.data.emblems.paints import mosaic, photo, watercolour
from fedsilo.data.emblems.plates import draw_pose, make_plates
from fedsilo.data.emblems.surfaces import Page, colour, jitter, to_image
from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS, TEXTURES

DRAWING_VERSION = 1
"""Increase it with every change of the drawing: it is part of every digest and so of every cached feature."""

_PAINTS = {
    "red": colour(208, 38, 40),
    "orange": colour(240, 132, 30),
    "yellow": colour(244, 212, 48),
    "green": colour(58, 152, 68),
    "blue": colour(48, 96, 208),
    "purple": colour(128, 60, 170),
    "pink": colour(244, 138, 186),
    "brown": colour(122, 76, 44),
}
_RADIUS = {"mosaic": (24.0, 30.0), "neon": (19.0, 26.0), "blueprint": (19.0, 26.0)}
_WOBBLE = {"sketch": 0.7, "watercolour": 0.7, "mosaic": 0.0}
_LINE = {"sketch": 1.1, "blueprint": 1.0, "neon": 1.5, "watercolour": 0.7}


@dataclass(frozen=True, slots=True)
class Emblem:
    """Description that determines one picture.

    Attributes:
        label: Class number, in [0, 24).
        colour: Colour number, in [0, 8).
        texture: Texture number, in [0, 4).
        domain: Domain number, in [0, 6).
        seed: Seed of everything else: position, size, turn, light, noise.
    """

    label: int
    colour: int
    texture: int
    domain: int
    seed: int

    def digest(self) -> str:
        """Returns 24 hex digits of a hash of the description and the drawing's version."""
        words = (CLASSES[self.label], COLOURS[self.colour], TEXTURES[self.texture], DOMAINS[self.domain])
        text = "|".join(["emblem", str(DRAWING_VERSION), *words, str(self.seed)])
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def draw(emblem: Emblem) -> Image.Image:
    """Draws an emblem.

    Args:
        emblem: Its description.

    Returns:
        The picture, 64 x 64 RGB.
    """
    return to_image(_paint(emblem, np.random.default_rng(emblem.seed)))


def _paint(emblem: Emblem, generator: np.random.Generator) -> Page:
    domain = DOMAINS[emblem.domain]
    hue = jitter(_PAINTS[COLOURS[emblem.colour]], 0.03, generator)
    pose = draw_pose(generator, _RADIUS.get(domain, (18.0, 27.0)), _WOBBLE.get(domain, 0.15))
    width = _LINE.get(domain, 0.0)
    plates = make_plates(emblem.label, emblem.texture, pose, width, generator)
    if domain == "sketch":
        tremble = np.stack([pose.wobble[0], generator.uniform(0, 2 * np.pi, 4)])
        other = type(pose)(pose.matrix, pose.centre + generator.normal(0, 0.4, 2), tremble)
        return sketch(plates, make_plates(emblem.label, 0, other, 0.8 * width, generator), hue, generator)
    if domain == "blueprint":
        return blueprint(plates, pose, hue, generator)
    painter = {"photo": photo, "neon": neon, "mosaic": mosaic, "watercolour": watercolour}[domain]
    return painter(plates, hue, generator)
