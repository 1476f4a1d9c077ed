"""`noniid-labeldir100` of FedOTP's repository and its successors: Pachinko allocation of CIFAR-100.

Train and test are one pool of 60,000 images, every client gets the same number, by superclass and class. The draws are
theirs, at their seed 12345, whatever the scenario's; the order of the clients is not, which they shuffle by the state
that a run happens to be in. See the label shift `coarse_dirichlet`.

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
    """Label shift as in the CIFAR-100 experiments of FedOTP; for data that has superclasses."""

    clients: int = key(100, "Number of clients; sizes differ by one image at most.", within=">= 1")
    beta: float = key(0.3, "Concentration over superclasses, above 0; the papers' is 0.3.")
    fixed_draw: int | None = key(
        12345, "Draws as the papers' code does at this seed, for every seed of the scenario. null: by the seed."
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        return assignment.beta_problems(self.beta)

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Returns one share per client. Raises DataError for data without superclasses or with too few images."""
        label = CoarseDirichlet(self.beta, fixed_draw=self.fixed_draw)
        return Composition(label, NoFeatureShift(), Natural(), self.clients).split(images, generator, look)
