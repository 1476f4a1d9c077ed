"""Sets of emblems: which ones belong to a split, without drawing any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.core.seeds import numpy_generator
from fedsilo.data.emblems.drawing import Emblem, draw
from fedsilo.data.emblems.words import COLOURS, DOMAINS, TEXTURES


@dataclass(frozen=True, slots=True)
class Gallery:
    """Emblems that are drawn when they are looked at; small to pickle, and the same pixels in every process.

    Attributes:
        emblems: The descriptions, in order.
    """

    emblems: tuple[Emblem, ...]

    def __len__(self) -> int:
        return len(self.emblems)

    def __call__(self, position: int) -> Image.Image:
        """Returns the picture at `position`, 64 x 64 RGB."""
        return draw(self.emblems[position])

    def column(self, name: str) -> NDArray[np.int64]:
        """Returns one field of all emblems, for example "label", shape (n,)."""
        return np.array([getattr(emblem, name) for emblem in self.emblems], dtype=np.int64)


def arrange(classes: int, domains: Sequence[str], each: int, seed: int, purpose: str) -> Gallery:
    """Returns `each` emblems of every class in every domain, in random colours and textures.

    Args:
        classes: The first so many classes are used, in [1, 24].
        domains: Names of the domains, in the order of the result.
        each: Emblems per class and domain.
        seed: The run's seed.
        purpose: What the emblems are for; two purposes share no emblem.
    """
    emblems = []
    for name in domains:
        # A domain's own generator: its pictures do not depend on which other domains are asked for.
        generator = numpy_generator(seed, f"{purpose} {name}")
        for label in range(classes):
            emblems += [any_emblem(label, DOMAINS.index(name), generator) for _ in range(each)]
    return Gallery(tuple(emblems))


def any_emblem(label: int, domain: int, generator: np.random.Generator) -> Emblem:
    """Returns an emblem of random colour, texture and seed; every second one is plain."""
    colour, texture = int(generator.integers(len(COLOURS))), int(generator.integers(len(TEXTURES)))
    plain = generator.random() < 0.33
    return Emblem(label, colour, 0 if plain else texture, domain, int(generator.integers(2**62)))
