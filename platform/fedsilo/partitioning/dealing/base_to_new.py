"""Base and new classes: the last part of the classes is not trained on, and models are measured on it.

Source: the base-to-new protocol of Zhou et al., "Conditional prompt learning for vision-language models", CVPR 2022,
arXiv:2203.05557: the first half of the classes, rounded up, is trained on; accuracy on each half is computed among its
own names only. Federated as in FedTPG (Qiu et al., ICLR 2024) and FedPGP (Cui et al., ICML 2024).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fedsilo.core import Examples, LabelledImages, Newcomers
from fedsilo.core.errors import DataError


def split_base_to_new(images: LabelledImages, part: float) -> LabelledImages:
    """Separates base and new classes.

    Args:
        images: The data.
        part: Fraction of new classes, the last ones, rounded down; 0 returns the images unchanged.

    Returns:
        Images of the base classes, with the test images of the new ones as `newcomers`.

    Raises:
        DataError: There would be fewer than two base or new classes, or the classes are pairs.
    """
    if not part:
        return images
    if images.pairs is not None:
        raise DataError(
            "partition.unseen.classes: compositions have unseen pairs already. Use the data's keys to hold pairs out, "
            "or remove this key."
        )
    total = len(images.classes)
    base = math.ceil(total * (1 - part) - 1e-9)
    if base < 2 or total - base < 2:
        raise DataError(
            f"partition.unseen.classes: {part} of {total} classes leaves {base} to train on and {total - base} new "
            "ones. Both must be at least 2."
        )
    fresh = images.test.take(np.flatnonzero(images.test.labels >= base))
    newcomers = Newcomers(images.classes[base:], replace(fresh, labels=fresh.labels - base))
    return replace(
        images,
        classes=images.classes[:base],
        train=_below(images.train, base),
        test=_below(images.test, base),
        groups=images.groups[:base],
        newcomers=newcomers,
    )


def _below(examples: Examples, base: int) -> Examples:
    return examples.take(np.flatnonzero(examples.labels < base))
