"""A data set of pairs, made by hand from drawn emblems: 4 colours x 7 objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Dataset, Examples, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.data import Pairs
from fedsilo.data.emblems.drawing import Emblem, draw
from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS

ATTRIBUTES, OBJECTS, WATERCOLOUR = (1, 2, 6, 7), (0, 1, 3, 4, 10, 19, 23), DOMAINS.index("watercolour")
EVERY = tuple((a, o) for o in range(len(OBJECTS)) for a in range(4))
SEEN, VALIDATION, TEST = (
    tuple((a, o) for a, o in EVERY if (a + o) % 4 in rest and o < 6) for rest in ((0, 1), (2,), (3,))
)


@dataclass(frozen=True)
class ToyPairs(Dataset):
    """Emblems of pairs: 12 seen, 6 more in validation, 6 more in the test split, 4 of an object without images."""

    world: str = key("closed", "Candidates.", "closed", "open")
    validation: bool = key(True, "Whether there are validation images.")
    train: int = key(4, "Training images of each seen pair.", within=">= 1")

    def load(self, seed: int) -> LabelledImages:
        held = {*SEEN, *VALIDATION, *TEST}
        others = [pair for pair in EVERY if pair not in held]
        pairs = [*SEEN, *VALIDATION, *TEST, *(others if self.world == "open" else [])]
        attribute, object = (np.array(part) for part in zip(*pairs, strict=True))
        seen = np.arange(len(pairs)) < len(SEEN)
        everything = np.full(len(pairs), self.world == "open")
        test = everything | np.array([p in SEEN or p in TEST for p in pairs])
        validation = everything | np.array([p in SEEN or p in VALIDATION for p in pairs])
        colours = tuple(COLOURS[a] for a in ATTRIBUTES)
        objects = tuple(CLASSES[o] for o in OBJECTS)
        number = {pair: label for label, pair in enumerate(pairs)}

        def split(chosen: tuple[tuple[int, int], ...], each: int, purpose: int) -> Examples:
            emblems = [
                Emblem(
                    OBJECTS[o], ATTRIBUTES[a], 0, WATERCOLOUR, purpose * 10**6 + seed * 10**4 + 100 * number[a, o] + i
                )
                for a, o in chosen
                for i in range(each)
            ]
            labels = np.repeat([number[pair] for pair in chosen], each)
            digests = tuple(emblem.digest() for emblem in emblems)
            return Examples(labels, np.zeros_like(labels), lambda i: draw(emblems[i]), digests)

        return LabelledImages(
            classes=tuple(f"{colours[a]} {objects[o]}" for a, o in pairs),
            domains=("watercolour",),
            template="a picture of a {}.",
            train=split(SEEN, self.train, 1),
            test=split(SEEN + TEST, 3, 2),
            pairs=Pairs(colours, objects, attribute, object, seen, test, validation),
            validation=split(SEEN + VALIDATION, 2, 3) if self.validation else None,
        )
