"""What a shadow run's scenario names: the audited run's images as one data set, and a partition that redraws them.

Both are components like any other (`data: {name: "fedsilo.runs.audit.shadow_scenario:Pool", run: ...}`), so that a
shadow run is an ordinary run: begun, resumed and finished by the same code as the audited one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedsilo.core import Dataset, FeatureExtractor, LabelledImages, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.report.results.finished_run import load
from fedsilo.runs.audit.audited_images import Draw, pooled, population_of, redraw


@dataclass(frozen=True)
class Pool(Dataset):
    """All images that some client of a run holds, as training and as test split."""

    run: str = key("", "The audited run's folder.")

    def load(self, seed: int) -> LabelledImages:
        """Returns the pool; the seed is not used, the data are those of the run. Raises DataError, RunError."""
        run = load(self.run)
        images = run.scenario.data.load(run.scenario.seed)
        run.manifest.check(images, where=f"{self.run}/partition.json")
        return pooled(images, run.manifest)


@dataclass(frozen=True)
class Redrawn(Partition):
    """The pool dealt anew to the clients of the run: each keeps its images, chance says which it trains on."""

    run: str = key("", "The audited run's folder.")
    number: int = key(0, "The shadow run's number, from which the draw follows.", within=">= 0")

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Returns the clients' shares of the pool."""
        run = load(Path(self.run))
        population = population_of(run.manifest, images)
        return redraw(population, run.scenario.seed, self.number).shares(population)


@dataclass(frozen=True)
class Unchanged(Partition):
    """The pool dealt to the clients of the run as the run had it."""

    run: str = key("", "The audited run's folder.")

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Returns the clients' shares of the pool."""
        population = population_of(load(Path(self.run)).manifest, images)
        return Draw(population.members, np.zeros(len(population), dtype=bool)).shares(population)
