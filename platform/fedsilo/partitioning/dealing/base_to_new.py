"""Base and new classes: the last part of the classes is taken out of training, and models are measured on it.

Source: the base-to-new protocol of Zhou et al., "Conditional prompt learning for vision-language models", CVPR 2022,
arXiv:2203.05557: the first half of the classes, rounded up, is trained on; accuracy on either half is among its own
names only. Federated as in FedTPG (Qiu et al., ICLR 2024) and FedPGP (Cui et al., ICML 2024).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fedsilo.core import Examples, LabelledImages, Newcomers
from fedsilo.core.errors import DataError


def split_base_to_new(images: LabelledImages, part: float) -> LabelledImages:
    """Returns the images of the base classes, with the new ones' test images as `newcomers`.

    Args:
        images: The data.
        part: Part of the classes that are new, the last ones, rounded down; 0 returns the images as they are.

    Raises:
        DataError: Fewer than two classes would be left on a side.
    """
    if not part:
        return images
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
