"""CIFAR-10 and CIFAR-100: 60,000 photographs of 32 x 32 pixels, read by torchvision from the files people have.

    <root>/cifar-10-batches-py/     data_batch_1 to 5, test_batch, batches.meta
    <root>/cifar-100-python/        train, test, meta

torchvision compares the md5 of every file before it is unpickled. The prompt papers normalise these images by CIFAR's
own mean and deviation; here they are prepared as the model was trained, like all others.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.contracts import Dataset, Examples, LabelledImages
from fedsilo.errors import DataError
from fedsilo.fields import key
from fedsilo.imagefiles.sources import expand

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
class Cifar(Dataset):
    """CIFAR-10 or CIFAR-100 with their own train and test splits; CIFAR-100 with its 20 superclasses."""

    collection: str = key("cifar10", "Which of the two.", "cifar10", "cifar100")
    root: str = key(
        "data", "Folder that holds cifar-10-batches-py or cifar-100-python; ~ is the home folder, else from here."
    )
    download: bool = key(False, "Fetch what is missing (170 MB) into the root.")
    template: str = key("a photo of a {}.", "Prompt of the zero-shot row, with {} for the class.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields; whether the files are there is seen when they are loaded."""
        problems = [] if self.root else ["root: missing. Give the folder that holds the data."]
        if "{}" not in self.template:
            problems.append(f"template: must have {{}} where the class goes, got '{self.template}'.")
        return problems

    def load(self, seed: int) -> LabelledImages:
        """Returns the data; nothing is drawn. Raises DataError when files are missing, damaged or out of reach."""
        train, test = self._read(train=True), self._read(train=False)
        return LabelledImages(
            classes=tuple(name.replace("_", " ") for name in train.classes),
            domains=(self.collection,),
            template=self.template,
            train=_examples(train),
            test=_examples(test),
            groups=_superclasses(test) if self.collection == "cifar100" else (),
        )

    def _read(self, train: bool) -> Any:
        """One split, as torchvision's data set."""
        # Imported where it is used: clients never need it.
        from torchvision import datasets

        kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[self.collection]
        root = expand(self.root)
        try:
            # The files were pickled by a numpy so old that new ones remark upon it.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
                return kind(root, train=train, download=self.download)
        except Exception as error:  # a download meets whatever network and archive raise
            raise DataError(self._explanation(kind, root, error)) from error

    def _explanation(self, kind: Any, root: Path, error: Exception) -> str:
        """Why the data cannot be had, and what to do, in one line."""
        folder = root / kind.base_folder
        fetch = f"Unpack {kind.filename} ({HOME}) into the root, or set data.root or data.download=true."
        if self.download:
            reason = " ".join(str(error).split())[:200]
            return (
                f"data.root: {kind.filename} could not be fetched into {root}: {reason}. Go online, or unpack it there."
            )
        if not folder.is_dir():
            return f"data.root: there is no folder '{kind.base_folder}' in '{self.root}' (looked for {folder}). {fetch}"
        names = [name for name, _ in (*kind.train_list, *kind.test_list)] + [kind.meta["filename"]]
        missing = [name for name in names if not (folder / name).is_file()]
        what = f"lacks {', '.join(missing)}" if missing else "holds other files than the published ones (md5 differs)"
        return f"data.root: {folder} {what}. {fetch}"


def _examples(split: Any) -> Examples:
    fetch = PixelImages(np.ascontiguousarray(split.data))
    labels = np.array(split.targets, dtype=np.int64)
    return Examples(labels=labels, domains=np.zeros_like(labels), fetch=fetch, digests=fetch.digests())


def _superclasses(split: Any) -> tuple[int, ...]:
    """(100,) superclass of each class; torchvision does not read them, so the file it has verified is opened again."""
    ((name, _),) = split.test_list
    with Path(split.root, split.base_folder, name).open("rb") as file:
        content = pickle.load(file, encoding="latin1")
    found = dict(zip(content["fine_labels"], content["coarse_labels"], strict=True))
    return tuple(int(found[label]) for label in range(len(split.classes)))
