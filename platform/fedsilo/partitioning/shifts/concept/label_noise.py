"""Concept shift by mistakes: some clients have wrong labels on a part of their training images.

Test labels stay right: errors of a client's model that come from wrong training labels count as errors.

Source: symmetric and pair noise as in Han et al., "Co-teaching", NeurIPS 2018, arXiv:1804.06872.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import ConceptShift, Indices
from fedsilo.core.config_fields import key


@dataclass(frozen=True, slots=True)
class LabelNoise(ConceptShift):
    """Wrong training labels at some clients."""

    rate: float = key(0.3, "Fraction of a noisy client's training images with a wrong label.", within="in [0, 1]")
    pattern: str = key(
        "symmetric",
        "'symmetric': any other class with equal probability; 'pair': always the next class.",
        "symmetric",
        "pair",
    )

    def relabel(
        self, train: Indices, test: Indices, classes: int, generator: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Makes a fraction of the training labels wrong.

        Args:
            train: (n,) labels of the client's training images in the data.
            test: (m,) labels of its test images in the data.
            classes: Number of classes.
            generator: Random generator of the draws.

        Returns:
            (n,) training labels, `rate` of them (rounded) wrong; (m,) test labels, unchanged.
        """
        wrong = generator.permutation(len(train))[: round(self.rate * len(train))]
        steps = generator.integers(1, classes, len(wrong)) if self.pattern == "symmetric" else 1
        noisy = train.copy()
        noisy[wrong] = (train[wrong] + steps) % classes
        return noisy, test
