"""Made-up labelled images: partitions look at labels and domains only."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from fedsilo.contracts import Examples, LabelledImages

Toy = Callable[..., LabelledImages]


def blank(i: int) -> Image.Image:
    return Image.new("RGB", (1, 1))


@pytest.fixture(scope="session")
def toy() -> Toy:
    """Returns a maker of images: `toy(train=100, test=30, classes=5, domains=2)`; labels and domains vary."""

    def make(train: int = 100, test: int = 40, classes: int = 5, domains: int = 2, seed: int = 0) -> LabelledImages:
        generator = np.random.default_rng(seed)

        def examples(size: int, split: str) -> Examples:
            return Examples(
                labels=generator.integers(0, classes, size),
                domains=np.arange(size, dtype=np.int64) % domains,
                fetch=blank,
                digests=tuple(f"{split}{i:x}" for i in range(size)),
            )

        return LabelledImages(
            classes=tuple(f"class {i}" for i in range(classes)),
            domains=tuple(f"domain {i}" for i in range(domains)),
            template="a photo of a {}.",
            train=examples(train, "train"),
            test=examples(test, "test"),
            groups=tuple(label // 2 for label in range(classes)),
        )

    return make
