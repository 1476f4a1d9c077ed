"""CIFAR-100: 60,000 photographs of 32 x 32 pixels, 50,000 of them for training.

    <root>/cifar-100-python/  train, test, meta                                          torchvision's layout

Class names are those of the set, in its order, with blanks for underscores.
Each of the 20 superclasses has five classes; the label shift `coarse_dirichlet` uses them.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fedsilo.data.published.cifar_files import CifarSet, cifar_archive, read_superclasses
from fedsilo.data.published.dataset_card import Card

URL = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"


@dataclass(frozen=True, slots=True)
class Cifar100(CifarSet):
    """CIFAR-100: 60,000 small photographs of 100 kinds of things in 20 superclasses."""

    card: ClassVar[Card] = Card(
        name="cifar100",
        classes=100,
        images=60_000,
        template="a photo of a {}.",
        lies="cifar-100-python",
        get=f"{URL}, unpacked in the root.",
        archives=(
            cifar_archive(
                URL,
                "eb9058c3a382ffc7106e4002c42a8d85",
                "cifar-100-python",
                ("train", "test", "meta"),
            ),
        ),
        size="0.2 GB",
    )
    torchvision: ClassVar[str] = "CIFAR100"

    def read_groups(self, split: Any) -> tuple[int, ...]:
        """Reads the superclass of each class.

        Args:
            split: One of torchvision's data sets.

        Returns:
            (100,) superclass numbers.
        """
        return read_superclasses(split)
