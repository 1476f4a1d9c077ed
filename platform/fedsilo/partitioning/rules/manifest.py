"""A frozen split, read from a manifest: the same examples for the same clients, for another method or machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedsilo.core import FeatureExtractor, LabelledImages, Partition, Share, Unseen
from fedsilo.core.config_fields import key
from fedsilo.data.files.user_paths import from_home, is_missing
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.manifest import Manifest
from fedsilo.partitioning.shifts.concept.none import NoConceptShift


@dataclass(frozen=True, slots=True)
class FromManifest(Partition):
    """The shares of a manifest file; refused if the data is not the manifest's data."""

    frozen = True

    file: str = key("", "A partition.json that an earlier run or `fedsilo partition` wrote; ~ is the home folder.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        found = []
        if not self.file:
            found.append("file: missing. Give the path of a partition.json.")
        elif is_missing(self.file) or self.path.is_dir():
            found.append(f"file: there is no file '{self.file}'. Give the path of a partition.json.")
        frozen = {
            "concept": self.concept is not None and not isinstance(self.concept, NoConceptShift),
            "corruption": bool(self.corruption.kinds),
            "unseen.clients": self.unseen.clients != Unseen().clients,
            "unseen.domains": bool(self.unseen.domains),
            "test": self.test == "global",
        }
        return found + [f"{key}: is frozen in the manifest. Remove this key." for key, given in frozen.items() if given]

    @property
    def path(self) -> Path:
        """Path of the file; a relative one starts at the current folder."""
        return from_home(self.file)

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Reads the shares from the manifest.

        Args:
            images: The data.
            generator: Random generator of all draws.
            look: Computes image features; not used.

        Returns:
            One share per client, in client order.

        Raises:
            DataError: The file is damaged or belongs to other data.
        """
        assignment.refuse(self.problems())
        manifest = Manifest.read(self.path)
        manifest.check(images, where=self.file)
        return manifest.shares()
