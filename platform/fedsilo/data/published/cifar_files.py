"""CIFAR's files, read by torchvision, which compares the md5 of every file before it is unpickled.

The prompt papers normalise these images by CIFAR's own mean and deviation; here they are prepared as the model was
trained, like all others, unless `backbone.pixel_mean` and `backbone.pixel_std` say otherwise. Theirs, in the released
code of FedOTP:

    cifar10     [0.4914, 0.4822, 0.4465]    [0.2023, 0.1994, 0.2010] (the pixels' true deviation is 0.247, 0.244, 0.262)
    cifar100    [0.5071, 0.4865, 0.4409]    [0.2673, 0.2564, 0.2762]

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.core import Dataset, Examples, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import expand
from fedsilo.data.published.card import Archive, Card, root_problems, template_problems
from fedsilo.data.published.unpacking import obtain

HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"


@dataclass(frozen=True, slots=True)
class PixelImages:
    """Images that are all in memory.

    Attributes:
        pixels: (n, 32, 32, 3) bytes, RGB.
    """

    pixels: NDArray[np.uint8]

    def __call__(self, i: int) -> Image.Image:
        """Returns image i."""
        return Image.fromarray(self.pixels[i])

    def digests(self) -> tuple[str, ...]:
        """Returns the hash of the pixels of every image."""
        return tuple(hashlib.sha256(b"cifar" + image.tobytes()).hexdigest()[:32] for image in self.pixels)


@dataclass(frozen=True, slots=True)
class CifarSet(Dataset):
    """One of the two, with its own train and test split."""

    card: ClassVar[Card]
    torchvision: ClassVar[str]  # the name of torchvision's class

    root: str = key("data", "Folder that holds the set's folder; ~ is the home folder, else from the current one.")
    download: bool = key(False, "Fetch what is missing (170 MB) into the root.")
    template: str = key("a photo of a {}.", "Prompt of the zero-shot row, with {} for the class.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields; whether the files are there is seen when they are loaded."""
        return [*root_problems(self.root), *template_problems(self.template or "none")]

    def load(self, seed: int) -> LabelledImages:
        """Returns the data; nothing is drawn. Raises DataError when files are missing, damaged or out of reach."""
        kind = self._kind()
        train, test = self._read(kind, train=True), self._read(kind, train=False)
        return LabelledImages(
            classes=tuple(name.replace("_", " ") for name in train.classes),
            domains=(self.card.name,),
            template=self.template,
            train=_examples(train),
            test=_examples(test),
            groups=self.groups_of(test),
        )

    def groups_of(self, split: Any) -> tuple[int, ...]:
        """Returns the superclass of each class; empty where the set has none. `split` is torchvision's data set."""
        return ()

    def _kind(self) -> Any:
        # Imported where it is used: clients never need it.
        from torchvision import datasets

        return getattr(datasets, self.torchvision)

    def _read(self, kind: Any, train: bool) -> Any:
        """One split, as torchvision's data set."""
        root = expand(self.root)
        try:
            return _opened(kind, root, train)
        except Exception as error:  # what torchvision and a damaged file raise
            if not self.download:
                raise DataError(self._explanation(kind, root)) from error
        obtain(self.card.archives, root, replace=True)
        try:
            return _opened(kind, root, train)
        except Exception as error:
            raise DataError(self._explanation(kind, root)) from error

    def _explanation(self, kind: Any, root: Path) -> str:
        """Why the data cannot be had, and what to do, in one line."""
        folder = root / kind.base_folder
        fetch = (
            f"Unpack {kind.filename} ({HOME}) into the root, or set data.root, or fetch it (170 MB): "
            f"fedsilo data get {self.card.name} --root {self.root}, or data.download=true."
        )
        if not folder.is_dir():
            return f"data.root: there is no folder '{kind.base_folder}' in '{self.root}' (looked for {folder}). {fetch}"
        names = [name for name, _ in (*kind.train_list, *kind.test_list)] + [kind.meta["filename"]]
        missing = [name for name in names if not (folder / name).is_file()]
        what = f"lacks {', '.join(missing)}" if missing else "holds other files than the published ones (md5 differs)"
        return f"data.root: {folder} {what}. {fetch}"


def _opened(kind: Any, root: Path, train: bool) -> Any:
    # The files were pickled by a numpy so old that new ones remark upon it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        return kind(root, train=train)


def cifar_archive(url: str, md5: str, folder: str, files: tuple[str, ...]) -> Archive:
    """Returns the archive of a set: its folder's files, which are replaced one by one when they are damaged."""
    return Archive(url, "", tuple(f"{folder}/{name}" for name in files), md5)


def _examples(split: Any) -> Examples:
    fetch = PixelImages(np.ascontiguousarray(split.data))
    labels = np.array(split.targets, dtype=np.int64)
    return Examples(labels=labels, domains=np.zeros_like(labels), fetch=fetch, digests=fetch.digests())


def superclasses(split: Any) -> tuple[int, ...]:
    """Returns the (100,) superclass of each class, from the file that torchvision has verified."""
    ((name, _),) = split.test_list
    with Path(split.root, split.base_folder, name).open("rb") as file:
        content = pickle.load(file, encoding="latin1")
    found = dict(zip(content["fine_labels"], content["coarse_labels"], strict=True))
    return tuple(int(found[label]) for label in range(len(split.classes)))
