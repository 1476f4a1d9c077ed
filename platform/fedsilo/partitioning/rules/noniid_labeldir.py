"""`noniid-labeldir` of the repositories of FedOTP and DP-FPL: classes by Dirichlet, no client above an equal share.

For each class the proportions over clients are drawn from Dir(beta, ..., beta). A client that already holds an equal
share of the training images gets nothing of the class. Train and test are cut alike, and every client has at least ten
images of each. The papers' code draws everything again until that holds; here single images are moved. It rounds cuts
down; here they are rounded by largest remainders, so that a client's part of a class differs by at most one image.

Source: FedOTP, arXiv:2403.00041, and DP-FPL, arXiv:2501.13904 (CIFAR-100), whose code is that of Li et al., ICDE 2022,
arXiv:2102.02079.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, LabelledImages, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.shift_composition import Composition
from fedsilo.partitioning.shifts.feature.none import NoFeatureShift
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.quantity.natural import Natural


@dataclass(frozen=True, slots=True)
class NoniidLabeldir(Partition):
    """Label shift of the CIFAR experiments of DP-FPL."""

    clients: int = key(25, "Number of clients.", within=">= 1")
    beta: float = key(0.3, "Concentration, above 0; the papers use 0.3.")
    least: int = key(10, "Least number of training images, and of test images, of each client.", within=">= 1")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return assignment.beta_problems(self.beta)

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Spreads each class over the clients by Dirichlet proportions.

        Args:
            images: The data.
            generator: Random generator of all draws.
            look: Computes image features; not used.

        Returns:
            One share per client, in client order.

        Raises:
            DataError: There are too few images.
        """
        label = Dirichlet(self.beta, capped=True)
        rule = Composition(label, NoFeatureShift(), Natural(), self.clients, self.least, self.least)
        return rule.split(images, generator, look)
