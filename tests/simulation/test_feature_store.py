"""What clients share: only held examples are encoded, and they are still found by their positions in the split."""

import pickle
from typing import Any

import numpy as np
import torch
from PIL import Image

from fedsilo.core import Examples
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.simulation.feature_store import ClientIndices, FeatureStore, IndexedFeatures, JoinedSources, Subset


def picture(number: int) -> Image.Image:
    return Image.new("RGB", (1, 1), (number, 0, 0))


def test_held_examples_are_found_by_their_positions_in_the_split() -> None:
    held = np.array([1, 4, 5, 9])
    source = CachedFeatures((0,), {"image": held[None, :, None].astype(np.float32)})
    labels = np.arange(10)
    warehouse = FeatureStore(IndexedFeatures(source, held), source, labels)
    data = warehouse.portion(ClientIndices(0, np.array([4, 9]), np.array([0]), np.array([4, 9]), np.array([0])))
    assert len(data.train) == 2
    assert data.train.batch(np.array([1, 0, 1]), 0)["image"].flatten().tolist() == [9.0, 4.0, 9.0]
    assert data.train_labels.tolist() == [4, 9]


class Asked:
    """A source of one column that notes what it was asked for."""

    def __init__(self, name: str) -> None:
        self.name, self.views = name, []  # type: ignore[var-annotated]

    def __len__(self) -> int:
        return 3

    def batch(self, indices: Any, view: int) -> Any:
        self.views.append(view)
        return {self.name: torch.from_numpy(indices)}

    def on(self, device: str) -> Any:
        return self

    def only(self, columns: Any) -> Any:
        return self


def test_columns_of_several_sources_are_side_by_side_and_those_that_no_learner_reads_are_not_made() -> None:
    image, pixels = Asked("image"), Asked("pixels")
    both = JoinedSources(((image, frozenset({"image"})), (pixels, frozenset({"pixels"}))))
    chosen = np.array([2, 0])
    found = Subset(both.on("cpu"), np.arange(3)).batch(chosen, 4)
    assert {name: column.tolist() for name, column in found.items()} == {"image": [2, 0], "pixels": [2, 0]}
    assert image.views == pixels.views == [4]
    assert list(Subset(both, np.arange(3)).only({"image", "patches"}).batch(chosen, 5)) == ["image"]
    assert list(IndexedFeatures(both, np.arange(3)).only({"pixels"}).batch(chosen, 6)) == ["pixels"]
    assert (image.views, pixels.views) == ([4, 5], [4, 6])
    assert len(both.only({"patches"})) == 3, "a method that reads none of them can still count"


def test_some_examples_are_those_of_the_split_in_another_process_too() -> None:
    whole = Examples(np.arange(8), np.zeros(8, dtype=np.int64), picture, tuple("abcdefgh"))
    some = pickle.loads(pickle.dumps(whole.take(np.array([6, 2]))))
    assert some.labels.tolist() == [6, 2]
    assert some.digests == ("g", "c")
    assert [some.fetch(n).getpixel((0, 0))[0] for n in range(2)] == [6, 2]
