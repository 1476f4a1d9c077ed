"""Concept shift by mistake: some clients label part of their training images wrongly.

Test labels stay right: what a client's model gets wrong because of its annotators counts as wrong.

Source: symmetric and pair noise as in Han et al., "Co-teaching", NeurIPS 2018, arXiv:1804.06872.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import ConceptShift, Indices
from fedsilo.core.config_fields import key


@dataclass(frozen=True, slots=True)
class LabelNoise(ConceptShift):
    """A part of some clients' training labels is wrong."""

    rate: float = key(0.3, "Part of a noisy client's training images that are labelled wrongly.", within="in [0, 1]")
    pattern: str = key(
        "symmetric",
        "'symmetric': any other class, each as likely; 'pair': always the next class.",
        "symmetric",
        "pair",
    )

    def relabel(
        self, train: Indices, test: Indices, classes: int, generator: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Returns the training labels with so many of them, rounded, wrong; the test labels as they are."""
        wrong = generator.permutation(len(train))[: round(self.rate * len(train))]
        steps = generator.integers(1, classes, len(wrong)) if self.pattern == "symmetric" else 1
        noisy = train.copy()
        noisy[wrong] = (train[wrong] + steps) % classes
        return noisy, test
