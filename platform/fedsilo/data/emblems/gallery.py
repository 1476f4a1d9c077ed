"""Sets of emblems for the splits, listed without drawing any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.core.seeds import numpy_generator
from fedsilo.data.emblems.drawing import Emblem, draw
from fedsilo.data.emblems.words import COLOURS, DOMAINS, TEXTURES


@dataclass(frozen=True, slots=True)
class Gallery:
    """Emblems that are drawn when they are fetched; small to pickle, the same pixels in every process.

    Attributes:
        emblems: Descriptions, in order.
    """

    emblems: tuple[Emblem, ...]

    def __len__(self) -> int:
        return len(self.emblems)

    def __call__(self, position: int) -> Image.Image:
        """Returns the picture at `position`, 64 x 64 RGB."""
        return draw(self.emblems[position])

    def column(self, name: str) -> NDArray[np.int64]:
        """Collects one field of all emblems.

        Args:
            name: Name of the field, for example "label".

        Returns:
            (n,) values.
        """
        return np.array([getattr(emblem, name) for emblem in self.emblems], dtype=np.int64)


def arrange(classes: int, domains: Sequence[str], each: int, seed: int, purpose: str) -> Gallery:
    """Describes emblems of every class in every domain, in random colours and textures.

    Args:
        classes: Number of classes, in [1, 24]; the first ones are used.
        domains: Names of the domains, in the order of the result.
        each: Emblems per class and domain.
        seed: Seed of the run.
        purpose: What the emblems are for; two purposes share no emblem.

    Returns:
        The emblems, by domain, then by class.
    """
    emblems = []
    for name in domains:
        # One generator per domain, so that its pictures do not depend on the other domains.
        generator = numpy_generator(seed, f"{purpose} {name}")
        for label in range(classes):
            emblems += [any_emblem(label, DOMAINS.index(name), generator) for _ in range(each)]
    return Gallery(tuple(emblems))


def arrange_pairs(
    pairs: Sequence[tuple[int, int]], attribute: str, domains: Sequence[str], each: int, seed: int, purpose: str
) -> Gallery:
    """Describes emblems of pairs of an attribute and a class, random in all else.

    Args:
        pairs: Number of the attribute (a colour or a texture) and number of the class.
        attribute: "colour" or "texture": which of the two the pairs prescribe.
        domains: Names of the domains, in the order of the result.
        each: Emblems per pair and domain.
        seed: Seed of the run.
        purpose: What the emblems are for; two purposes share no emblem.

    Returns:
        The emblems, by domain, then by pair.
    """
    emblems = []
    for name in domains:
        for value, label in pairs:
            # One generator per pair, so that its pictures do not depend on which other pairs there are.
            generator = numpy_generator(seed, f"{purpose} {name} {value} {label}")
            drawn = [any_emblem(label, DOMAINS.index(name), generator) for _ in range(each)]
            emblems += [replace(emblem, **{attribute: value}) for emblem in drawn]
    return Gallery(tuple(emblems))


def any_emblem(label: int, domain: int, generator: np.random.Generator) -> Emblem:
    """Describes an emblem of random colour, texture and seed; half of them are plain, on average.

    Args:
        label: Class number.
        domain: Domain number.
        generator: Random generator of the draws.

    Returns:
        The description.
    """
    colour, texture = int(generator.integers(len(COLOURS))), int(generator.integers(len(TEXTURES)))
    plain = generator.random() < 0.33
    return Emblem(label, colour, 0 if plain else texture, domain, int(generator.integers(2**62)))
