"""`noniid-labeldir100` of FedOTP's repository and its successors: Pachinko allocation of CIFAR-100.

Train and test are one pool of 60,000 images; every client gets the same number, by superclass and class. The draws are
those of the papers' code at its seed 12345, whatever the scenario's seed. The order of the clients differs: their code
shuffles it by the random state of the run. See the label shift `coarse_dirichlet`.

Source: FedOTP, arXiv:2403.00041; Reddi et al., "Adaptive federated optimization", ICLR 2021, arXiv:2003.00295.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, LabelledImages, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.shift_composition import Composition
from fedsilo.partitioning.shifts.feature.none import NoFeatureShift
from fedsilo.partitioning.shifts.label.coarse_dirichlet import CoarseDirichlet
from fedsilo.partitioning.shifts.quantity.natural import Natural


@dataclass(frozen=True, slots=True)
class NoniidLabeldir100(Partition):
    """Label shift of the CIFAR-100 experiments of FedOTP; for data with superclasses."""

    clients: int = key(100, "Number of clients; sizes differ by one image at most.", within=">= 1")
    beta: float = key(0.3, "Concentration over superclasses, above 0; the papers use 0.3.")
    fixed_draw: int | None = key(
        12345, "Draws as the papers' code at this seed, whatever the scenario's seed. null: by the scenario's seed."
    )

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return assignment.beta_problems(self.beta)

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Splits the data by Pachinko allocation.

        Args:
            images: The data.
            generator: Random generator of all draws.
            look: Computes image features; not used.

        Returns:
            One share per client, in client order.

        Raises:
            DataError: The data has no superclasses or too few images.
        """
        label = CoarseDirichlet(self.beta, fixed_draw=self.fixed_draw)
        return Composition(label, NoFeatureShift(), Natural(), self.clients).split(images, generator, look)
