"""Emblems as compositions: drawn pictures of a colour (or a texture) and a class, with pairs that are not trained on.

It is a data set beside `emblems`, not a key of it: its labels are pairs, its images are counted by pair, and its
default domains are others. Photo, mosaic and watercolour are those in which fedsilo-tiny knows the classes worst
(zero-shot 74, 44 and 36 % of 24, above 90 % in the others), while it knows the colours everywhere (97 to 100 %): so
there is something left to learn. It does not know the textures (33 %, chance 25 %): `attribute: texture` is for image
adapters.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from fedsilo.core import Dataset, Examples, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.data.compositions.composition_sets import WORLD, compose, count_pairs
from fedsilo.data.compositions.pair_labels import WORLDS, LabelledPairs, label_pairs
from fedsilo.data.compositions.pair_lists import SPLITS, TEST, TRAIN, VALIDATION, PairLists
from fedsilo.data.compositions.pair_split import draw_pair_lists, share_problems
from fedsilo.data.emblems.gallery import arrange_pairs
from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS, TEMPLATE, TEXTURES

ATTRIBUTES = {"colour": COLOURS, "texture": TEXTURES}


@dataclass(frozen=True, slots=True)
class EmblemsPairs(Dataset):
    """Emblems by pairs of 8 colours (or 4 textures) and up to 24 objects, 60 % of which are trained on by default."""

    attribute: str = key("colour", "What the attribute is; fedsilo-tiny knows all colours and no texture.", *ATTRIBUTES)
    objects: int = key(24, "Number of objects, 3 to 24: the first ones in alphabetical order.")
    domains: tuple[str, ...] = key(
        ("photo", "mosaic", "watercolour"), f"Wanted domains, any of {', '.join(DOMAINS)}; all when empty."
    )
    world: str = key("closed", WORLD, *WORLDS)
    unseen_validation: float = key(0.2, "Share of the pairs that only validation images have, drawn.")
    unseen_test: float = key(0.2, "Share of the pairs that only test images have, drawn.")
    train_per_pair_and_domain: int = key(2, "Training images of each seen pair in each domain, >= 1.")
    validation_per_pair_and_domain: int = key(
        1, "Validation images of each seen pair and of each unseen pair of validation, in each domain, >= 0."
    )
    test_per_pair_and_domain: int = key(
        1, "Test images of each seen pair and unseen pair of test, in each domain, >= 1."
    )

    def load(self, seed: int) -> LabelledImages:
        """Draws the unseen pairs and describes the emblems; no image is drawn before it is fetched.

        Args:
            seed: Seed of pairs and emblems.

        Returns:
            The data set.

        Raises:
            DataError: A field has an impossible value.
        """
        problems = self.problems()
        if problems:
            raise DataError(f"emblems_pairs: {' '.join(problems)}")
        pairs = list(product(ATTRIBUTES[self.attribute], CLASSES[: self.objects]))
        generator = numpy_generator(seed, "emblems unseen pairs")
        lists, notices = draw_pair_lists(pairs, self.unseen_validation, self.unseen_test, generator)
        labelled = label_pairs(lists, self.world, "emblems_pairs")
        found = {split: self._examples(split, lists, labelled, seed) for split in SPLITS}
        counts = count_pairs(lists, found).text()
        headline = f"emblems_pairs, {self.world} world with {len(labelled.classes):,} pairs: {counts}."
        return compose(labelled, found, self._names(), TEMPLATE, "emblems_pairs", [headline, *notices])

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        found = []
        if not 3 <= self.objects <= len(CLASSES):
            found.append(f"objects: {self.objects} objects cannot be drawn. Allowed: 3 to {len(CLASSES)}.")
        unknown = [name for name in self.domains if name not in DOMAINS]
        if unknown:
            found.append(f"domains: no domain {', '.join(map(repr, unknown))}. Available: {', '.join(DOMAINS)}.")
        if len(set(self.domains)) < len(self.domains):
            found.append(f"domains: a name occurs twice in {', '.join(self.domains)}. Name each domain once.")
        found += share_problems(self.unseen_validation, self.unseen_test, ("unseen_validation", "unseen_test"))
        for split, least in (("train", 1), ("validation", 0), ("test", 1)):
            name = f"{split}_per_pair_and_domain"
            if getattr(self, name) < least:
                found.append(f"{name}: must be at least {least}, got {getattr(self, name)}.")
        return found

    def _names(self) -> tuple[str, ...]:
        return tuple(self.domains) or DOMAINS

    def _examples(self, split: str, lists: PairLists, labelled: LabelledPairs, seed: int) -> Examples:
        """Describes the emblems of a split: of its pairs, and of all seen pairs."""
        name = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}[split]
        pairs = [(pair, labelled.labels[pair]) for pair in lists.of(split)]
        numbers = [(ATTRIBUTES[self.attribute].index(word), CLASSES.index(thing)) for (word, thing), _ in pairs]
        each = getattr(self, f"{name}_per_pair_and_domain")
        purpose = f"emblems pairs {self.attribute} {name}"
        gallery = arrange_pairs(numbers, self.attribute, self._names(), each, seed, purpose)
        # In the order of the gallery: by domain, then by pair.
        labels = np.repeat(np.array([label for _, label in pairs], dtype=np.int64), each)
        domains = np.repeat(np.arange(len(self._names()), dtype=np.int64), len(labels))
        digests = tuple(emblem.digest() for emblem in gallery.emblems)
        return Examples(np.tile(labels, len(self._names())), domains, gallery, digests)
