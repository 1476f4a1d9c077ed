"""Reader for the files of CIFAR-10 and CIFAR-100. torchvision checks the md5 of every file before it is unpickled.

The prompt papers normalise these images by CIFAR's own mean and standard deviation. Here they are normalised like all
other images, as the model was trained, unless `backbone.pixel_mean` and `backbone.pixel_std` are set. The values in
the released code of FedOTP:

    cifar10     [0.4914, 0.4822, 0.4465]    [0.2023, 0.1994, 0.2010] (true values: 0.247, 0.244, 0.262)
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
from fedsilo.data.files.user_paths import expand
from fedsilo.data.published.dataset_card import Archive, Card, root_problems, template_problems
from fedsilo.data.published.unpacking import obtain

HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"


@dataclass(frozen=True, slots=True)
class PixelImages:
    """Images held in memory.

    Attributes:
        pixels: (n, 32, 32, 3) bytes, RGB.
    """

    pixels: NDArray[np.uint8]

    def __call__(self, i: int) -> Image.Image:
        """Returns image i."""
        return Image.fromarray(self.pixels[i])

    def digests(self) -> tuple[str, ...]:
        """Hashes the pixels of every image.

        Returns:
            (n,) first 32 hex digits of each sha256.
        """
        return tuple(hashlib.sha256(b"cifar" + image.tobytes()).hexdigest()[:32] for image in self.pixels)


@dataclass(frozen=True, slots=True)
class CifarSet(Dataset):
    """CIFAR-10 or CIFAR-100 with its published train and test split."""

    card: ClassVar[Card]
    torchvision: ClassVar[str]  # name of torchvision's class

    root: str = key(
        "data", "Folder that holds the set's folder; ~ is the home folder, other paths start at the current folder."
    )
    download: bool = key(False, "Download missing files (170 MB) into the root.")
    template: str = key("a photo of a {}.", "Prompt of the zero-shot row, with {} for the class.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields; missing files are reported when the data is loaded."""
        return [*root_problems(self.root), *template_problems(self.template or "none")]

    def load(self, seed: int) -> LabelledImages:
        """Loads both splits, and downloads them first if that is requested and needed.

        Args:
            seed: Not used, nothing is drawn.

        Returns:
            The data set.

        Raises:
            DataError: Files are missing, damaged or cannot be downloaded.
        """
        kind = self._kind()
        train, test = self._read(kind, train=True), self._read(kind, train=False)
        return LabelledImages(
            classes=tuple(name.replace("_", " ") for name in train.classes),
            domains=(self.card.name,),
            template=self.template,
            train=_examples(train),
            test=_examples(test),
            groups=self.read_groups(test),
        )

    def read_groups(self, split: Any) -> tuple[int, ...]:
        """Reads the superclass of each class.

        Args:
            split: One of torchvision's data sets.

        Returns:
            (classes,) superclass numbers; empty where the set has none.
        """
        return ()

    def _kind(self) -> Any:
        # Imported here because clients never need it.
        from torchvision import datasets

        return getattr(datasets, self.torchvision)

    def _read(self, kind: Any, train: bool) -> Any:
        """Reads one split as torchvision's data set."""
        root = expand(self.root)
        try:
            return _open_split(kind, root, train)
        except Exception as error:  # torchvision and damaged files raise errors of many types
            if not self.download:
                raise DataError(self._explanation(kind, root)) from error
        obtain(self.card.archives, root, replace=True)
        try:
            return _open_split(kind, root, train)
        except Exception as error:
            raise DataError(self._explanation(kind, root)) from error

    def _explanation(self, kind: Any, root: Path) -> str:
        """Explains in one line why the data cannot be loaded and what to do."""
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


def _open_split(kind: Any, root: Path, train: bool) -> Any:
    # The files were pickled by an old numpy, about which new versions warn.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        return kind(root, train=train)


def cifar_archive(url: str, md5: str, folder: str, files: tuple[str, ...]) -> Archive:
    """Describes the archive of a set. Damaged files of its folder are replaced one by one.

    Args:
        url: Address of the archive.
        md5: Its checksum.
        folder: Name of the folder in it.
        files: Names of the files in that folder.

    Returns:
        The archive, which is unpacked in the root.
    """
    return Archive(url, "", tuple(f"{folder}/{name}" for name in files), md5)


def _examples(split: Any) -> Examples:
    fetch = PixelImages(np.ascontiguousarray(split.data))
    labels = np.array(split.targets, dtype=np.int64)
    return Examples(labels=labels, domains=np.zeros_like(labels), fetch=fetch, digests=fetch.digests())


def read_superclasses(split: Any) -> tuple[int, ...]:
    """Reads the superclasses of CIFAR-100 from a file that torchvision has verified.

    Args:
        split: torchvision's data set of one split.

    Returns:
        (100,) superclass of each class.
    """
    ((name, _),) = split.test_list
    with Path(split.root, split.base_folder, name).open("rb") as file:
        content = pickle.load(file, encoding="latin1")
    found = dict(zip(content["fine_labels"], content["coarse_labels"], strict=True))
    return tuple(int(found[label]) for label in range(len(split.classes)))
