"""Components of a shadow run's scenario: the audited run's images as one data set, and partitions of it.

They are ordinary components (`data: {name: "fedsilo.runs.audit.shadow_scenario:ImagePool", run: ...}`), so a shadow
run is an ordinary run: the same code begins, resumes and finishes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedsilo.core import Dataset, LabelledImages, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.core.partition import FeatureExtractor
from fedsilo.report.results.finished_run import load
from fedsilo.runs.audit.audited_images import Draw, build_pool, build_population, redraw


@dataclass(frozen=True)
class ImagePool(Dataset):
    """All images that some client of a run holds, as training and as test split."""

    run: str = key("", "The audited run's folder.")

    def load(self, seed: int) -> LabelledImages:
        """Loads the pool.

        Args:
            seed: Not used; the data are those of the audited run.

        Returns:
            The pool.

        Raises:
            DataError: The run's images are no longer available, or have changed.
            RunError: The folder has no run.
        """
        run = load(self.run)
        images = run.scenario.data.load(run.scenario.seed)
        run.manifest.check(images, where=f"{self.run}/partition.json")
        return build_pool(images, run.manifest)


@dataclass(frozen=True)
class Redrawn(Partition):
    """The pool dealt to the clients of the run: each keeps its images, and chance decides which it trains on."""

    frozen = True

    run: str = key("", "The audited run's folder.")
    number: int = key(0, "The shadow run's number, from which the draw follows.", within=">= 0")

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Deals the pool.

        Args:
            images: The pool.
            generator: Not used; the draw follows from the audited run's seed and `number`.
            look: Not used.

        Returns:
            The clients' shares.
        """
        run = load(Path(self.run))
        population = build_population(run.manifest, images)
        return redraw(population, run.scenario.seed, self.number).build_shares(population)


@dataclass(frozen=True)
class Unchanged(Partition):
    """The pool dealt to the clients of the run as in the audited run."""

    frozen = True

    run: str = key("", "The audited run's folder.")

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Deals the pool.

        Args:
            images: The pool.
            generator: Not used; nothing is random.
            look: Not used.

        Returns:
            The clients' shares.
        """
        population = build_population(load(Path(self.run)).manifest, images)
        return Draw(population.members, np.zeros(len(population), dtype=bool)).build_shares(population)
