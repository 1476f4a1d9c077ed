"""A split that was frozen before: the same examples to the same clients, for another method or another machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedsilo import allotment
from fedsilo.contracts import LabelledImages, Partition, Share
from fedsilo.fields import key
from fedsilo.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FromManifest(Partition):
    """The shares of a manifest file; refused when the data is not the data that it was made from."""

    file: str = key("", "A partition.json that an earlier run or `fedsilo partition` wrote; ~ is the home folder.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        if not self.file:
            return ["file: missing. Give the path of a partition.json."]
        if not self.path.is_file():
            return [f"file: there is no file '{self.file}'. Give the path of a partition.json."]
        return []

    @property
    def path(self) -> Path:
        """The file, from the current folder."""
        return Path(self.file).expanduser()

    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns the frozen shares. Raises DataError when the file is damaged or belongs to other data."""
        allotment.refuse(self.problems())
        manifest = Manifest.read(self.path)
        manifest.check(images, where=self.file)
        return manifest.shares()
