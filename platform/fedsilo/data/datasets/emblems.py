"""Emblems: pictures drawn from a seed, for studies of label shift, domain shift and attributes without a download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Dataset, Examples, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.data.emblems.gallery import arrange
from fedsilo.data.emblems.words import CLASSES, DOMAINS, TEMPLATE


@dataclass(frozen=True, slots=True)
class Emblems(Dataset):
    """Emblems of up to 24 classes in up to 6 domains, each in one of 8 colours and 4 textures at random."""

    classes: int = key(24, "Number of classes, 2 to 24: the first ones in alphabetical order.")
    domains: tuple[str, ...] = key(DOMAINS, f"Wanted domains, any of {', '.join(DOMAINS)}; all when empty.")
    train_per_class_and_domain: int = key(12, "Training images of each class in each domain, >= 1.")
    test_per_class_and_domain: int = key(6, "Test images of each class in each domain, >= 1.")

    def load(self, seed: int) -> LabelledImages:
        """Describes the emblems of both splits; no image is drawn before it is fetched.

        Args:
            seed: Seed of the emblems.

        Returns:
            The data set.

        Raises:
            DataError: A field has an impossible value.
        """
        problems = self.problems()
        if problems:
            raise DataError(f"emblems: {' '.join(problems)}")
        return LabelledImages(
            classes=CLASSES[: self.classes],
            domains=self._names(),
            template=TEMPLATE,
            train=self._examples(self.train_per_class_and_domain, seed, "emblems train"),
            test=self._examples(self.test_per_class_and_domain, seed, "emblems test"),
        )

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        found = []
        if not 2 <= self.classes <= len(CLASSES):
            found.append(f"classes: {self.classes} classes cannot be drawn. Allowed: 2 to {len(CLASSES)}.")
        unknown = [name for name in self.domains if name not in DOMAINS]
        if unknown:
            found.append(f"domains: no domain {', '.join(map(repr, unknown))}. Available: {', '.join(DOMAINS)}.")
        if len(set(self.domains)) < len(self.domains):
            found.append(f"domains: a name occurs twice in {', '.join(self.domains)}. Name each domain once.")
        for name in ("train_per_class_and_domain", "test_per_class_and_domain"):
            if getattr(self, name) < 1:
                found.append(f"{name}: must be at least 1, got {getattr(self, name)}.")
        return found

    def _names(self) -> tuple[str, ...]:
        return tuple(self.domains) or DOMAINS

    def _examples(self, each: int, seed: int, purpose: str) -> Examples:
        gallery = arrange(self.classes, self._names(), each, seed, purpose)
        # A domain's number in the data is its index among the chosen domains.
        place = np.array(
            [self._names().index(name) if name in self._names() else -1 for name in DOMAINS], dtype=np.int64
        )
        return Examples(
            labels=gallery.column("label"),
            domains=place[gallery.column("domain")],
            fetch=gallery,
            digests=tuple(emblem.digest() for emblem in gallery.emblems),
        )
