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

Pixels = NDArray[np.uint8]


def is_seen(label: int, domain: int) -> bool:
    """Tells whether the pretraining shows this class in this domain.

    Mosaic shows every third class, watercolour every third but others: what a client can still learn.
    """
    remainder = {"mosaic": 0, "watercolour": 1}.get(DOMAINS[domain])
    return remainder is None or label % 3 == remainder


def choose_emblems(count: int, seed: int) -> list[Emblem]:
    """Returns `count` random emblems among what is seen, every domain equally often."""
    generator = numpy_generator(seed, "pretraining pictures")
    seen = [[label for label in range(len(CLASSES)) if is_seen(label, domain)] for domain in range(len(DOMAINS))]
    chosen = []
    for number in range(count):
        domain = number % len(DOMAINS)
        chosen.append(any_emblem(int(generator.choice(seen[domain])), domain, generator))
    return chosen


def draw_all(emblems: Sequence[Emblem], processes: int) -> Pixels:
    """Returns the pictures, (n, 64, 64, 3), drawn by several processes."""
    parts = [emblems[start : start + 500] for start in range(0, len(emblems), 500)]
    pixels = np.empty((len(emblems), SIZE, SIZE, 3), dtype=np.uint8)
    with ProcessPoolExecutor(processes) as pool:
        for number, part in enumerate(pool.map(_draw_part, parts)):
            pixels[500 * number : 500 * number + len(part)] = part
    return pixels


def _draw_part(emblems: Sequence[Emblem]) -> Pixels:
    return np.stack([np.asarray(draw(emblem)) for emblem in emblems])


def shifted(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """Returns the pictures (b, 64, 64, 3) mirrored at random and moved by up to 4 pixels, edges repeated."""
    padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="edge")
    moves = generator.integers(0, 9, (len(pixels), 2))
    flips = np.where(generator.random(len(pixels)) < 0.5, -1, 1)
    views = [
        picture[down : down + SIZE, right : right + SIZE][:, ::flip]
        for picture, (down, right), flip in zip(padded, moves, flips, strict=True)
    ]
    return np.stack(views)
