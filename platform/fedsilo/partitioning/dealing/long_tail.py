"""Long-tailed classes: training images are removed by the rank of their class."""

from __future__ import annotations

import numpy as np

from fedsilo.core import Indices, LabelledImages


def thin_by_rank(images: LabelledImages, ratio: float, generator: np.random.Generator) -> Indices:
    """Thins out classes exponentially.

    The class of rank r of K keeps n ratio^(-r / (K - 1)) images, where n is the size of the largest class and ranks are
    drawn. A class with fewer images keeps all, and every class keeps one.

    Source: Cui et al., "Class-balanced loss based on effective number of samples", CVPR 2019, arXiv:1901.05555.

    Args:
        images: The data.
        ratio: Images of the most frequent class per image of the rarest, >= 1.
        generator: Random generator of ranks and images.

    Returns:
        Positions of the remaining training images, ascending.
    """
    if ratio == 1:
        return np.arange(len(images.train))
    classes = len(images.classes)
    largest = np.bincount(images.train.labels, minlength=classes).max()
    kept = []
    for rank, label in enumerate(generator.permutation(classes)):
        size = max(1, round(largest * ratio ** (-rank / max(1, classes - 1))))
        kept.append(generator.permutation(np.flatnonzero(images.train.labels == label))[:size])
    return np.sort(np.concatenate(kept))
