"""CIFAR-10: 60,000 photographs of 32 x 32 pixels, 50,000 of them for training.

    <root>/cifar-10-batches-py/  data_batch_1 to 5, test_batch, batches.meta             torchvision's layout

Class names are those of the set, in its order, with blanks for underscores.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.cifar_files import CifarSet, cifar_archive
from fedsilo.data.published.dataset_card import Card

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"


@dataclass(frozen=True, slots=True)
class Cifar10(CifarSet):
    """CIFAR-10: 60,000 small photographs of 10 kinds of things."""

    card: ClassVar[Card] = Card(
        name="cifar10",
        classes=10,
        images=60_000,
        template="a photo of a {}.",
        lies="cifar-10-batches-py",
        get=f"{URL}, unpacked in the root.",
        archives=(
            cifar_archive(
                URL,
                "c58f30108f718f92721af3b95e74349a",
                "cifar-10-batches-py",
                (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
            ),
        ),
        size="0.2 GB",
    )
    torchvision: ClassVar[str] = "CIFAR10"
