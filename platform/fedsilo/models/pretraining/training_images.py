"""The pictures of the pretraining: emblems of their own, some classes missing from some domains."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.seeds import numpy_generator
from fedsilo.data.emblems.drawing import Emblem, draw
from fedsilo.data.emblems.gallery import any_emblem
from fedsilo.data.emblems.surfaces import SIZE
from fedsilo.data.emblems.words import CLASSES, DOMAINS

PictureArray = NDArray[np.uint8]


def is_seen(label: int, domain: int) -> bool:
    """Checks whether the pretraining shows a class in a domain.

    Mosaic shows every third class, watercolour another third: the rest is what a client can still learn.

    Args:
        label: Number of the class.
        domain: Number of the domain.

    Returns:
        Whether it does.
    """
    remainder = {"mosaic": 0, "watercolour": 1}.get(DOMAINS[domain])
    return remainder is None or label % 3 == remainder


def choose_emblems(count: int, seed: int) -> list[Emblem]:
    """Chooses random emblems among those that the pretraining shows, every domain equally often.

    Args:
        count: Number of emblems.
        seed: Seed of the choice.

    Returns:
        The emblems.
    """
    generator = numpy_generator(seed, "pretraining pictures")
    seen = [[label for label in range(len(CLASSES)) if is_seen(label, domain)] for domain in range(len(DOMAINS))]
    chosen = []
    for number in range(count):
        domain = number % len(DOMAINS)
        chosen.append(any_emblem(int(generator.choice(seen[domain])), domain, generator))
    return chosen


def draw_all(emblems: Sequence[Emblem], processes: int) -> PictureArray:
    """Draws the pictures in several processes.

    Args:
        emblems: n emblems.
        processes: Number of processes.

    Returns:
        (n, 64, 64, 3) uint8.
    """
    parts = [emblems[start : start + 500] for start in range(0, len(emblems), 500)]
    pixels = np.empty((len(emblems), SIZE, SIZE, 3), dtype=np.uint8)
    with ProcessPoolExecutor(processes) as pool:
        for number, part in enumerate(pool.map(_draw_part, parts)):
            pixels[500 * number : 500 * number + len(part)] = part
    return pixels


def _draw_part(emblems: Sequence[Emblem]) -> PictureArray:
    return np.stack([np.asarray(draw(emblem)) for emblem in emblems])


def shift_randomly(pixels: PictureArray, generator: np.random.Generator) -> PictureArray:
    """Mirrors pictures at random and moves them by up to 4 pixels, edges repeated.

    Args:
        pixels: (b, 64, 64, 3) uint8.
        generator: Source of the draws.

    Returns:
        (b, 64, 64, 3) uint8.
    """
    padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="edge")
    moves = generator.integers(0, 9, (len(pixels), 2))
    flips = np.where(generator.random(len(pixels)) < 0.5, -1, 1)
    views = [
        picture[down : down + SIZE, right : right + SIZE][:, ::flip]
        for picture, (down, right), flip in zip(padded, moves, flips, strict=True)
    ]
    return np.stack(views)
