"""The domain split of the prompt papers: each domain over clients of its own, labels inside it by Dirichlet.

The papers' code re-indexes labels without the image paths, so that labels have nothing to do with images, and takes
class names from a Python set, whose order differs between processes: their published numbers are no targets. Here
images keep their labels, class order is the data's, and minimum sizes are met by moving single images instead of
drawing again. As in all versions of their code, a client that holds an equal share of its domain's training images
gets none of the classes that follow, so clients differ less in size than by Dirichlet alone.

Source: FedOTP, arXiv:2403.00041 (DomainNet: five clients per domain, Office-Caltech10: three), and pFedMoAP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, LabelledImages, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.shift_composition import Composition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.quantity.natural import Natural


@dataclass(frozen=True, slots=True)
class DomainSplit(Partition):
    """Feature and label shift of the domain experiments of FedOTP, without the errors of its code."""

    clients_per_domain: int = key(
        5, "Clients of each domain; the papers have 5 of DomainNet, 3 of Office.", within=">= 1"
    )
    beta: float = key(0.1, "Concentration, above 0; the code has 0.1, pFedMoAP states 0.3.")
    capped: bool = key(
        True,
        "A client that holds an equal share of its domain's training images gets none of the classes that follow, as "
        "in the papers' code. false: sizes follow from the draws alone.",
    )

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return assignment.beta_problems(self.beta)

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Splits each domain over clients of its own.

        Args:
            images: The data.
            generator: Random generator of all draws.
            look: Computes image features; not used.

        Returns:
            One share per client, in client order.

        Raises:
            DataError: A domain is too small.
        """
        clients = self.clients_per_domain * len(images.domains)
        rule = Composition(Dirichlet(self.beta, self.capped), Domains(), Natural(), clients, min_train=2, min_test=2)
        return rule.split(images, generator, look)
