"""The few-shot "pathological" split of the prompt papers: disjoint classes, drawn as their code draws them.

Classes are shuffled by Python's generator at 2023, whatever the run's seed, and each client gets round(K / N) of them,
the last one the remainder; with `shots` the images come from the same stream (`shots_fixed_draw: 2023`). Their
deviations over seeds therefore hold no chance of the data; `fixed_draw: null` draws the classes by the scenario's seed.

Source: FedOTP, arXiv:2403.00041; DP-FPL, arXiv:2501.13904; pFedPrompt, WWW 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import LabelledImages, Look, Partition, Share
from fedsilo.fields import key
from fedsilo.shifts.feature.none import NoFeatureShift
from fedsilo.shifts.label.classes import Classes
from fedsilo.shifts.quantity.natural import Natural
from fedsilo.splitting.composition import Composition


@dataclass(frozen=True, slots=True)
class Pathological(Partition):
    """Disjoint classes as in the few-shot experiments of FedOTP and DP-FPL."""

    clients: int = key(10, "Number of clients, at most the number of classes.", within=">= 1")
    fixed_draw: int | None = key(
        2023, "Shuffles the classes as Python's random does at this seed, for every seed of the scenario. null: by it."
    )

    def split(self, images: LabelledImages, generator: np.random.Generator, look: Look) -> list[Share]:
        """Returns one share per client. Raises DataError when some client would own nothing."""
        label = Classes(remainder="last", fixed_draw=self.fixed_draw)
        return Composition(label, NoFeatureShift(), Natural(), self.clients).shares(images, generator, look)
