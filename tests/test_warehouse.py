"""What clients share: only held examples are encoded, and they are still found by their positions in the split."""

import pickle

import numpy as np
from PIL import Image

from fedsilo.backbone.cached import CachedFeatures
from fedsilo.core import Examples
from fedsilo.warehouse import Claim, Held, Warehouse


def picture(number: int) -> Image.Image:
    return Image.new("RGB", (1, 1), (number, 0, 0))


def test_held_examples_are_found_by_their_positions_in_the_split() -> None:
    held = np.array([1, 4, 5, 9])
    source = CachedFeatures((0,), {"image": held[None, :, None].astype(np.float32)})
    labels = np.arange(10)
    warehouse = Warehouse(Held(source, held), source, labels)
    data = warehouse.portion(Claim(0, np.array([4, 9]), np.array([0]), np.array([4, 9]), np.array([0])))
    assert len(data.train) == 2
    assert data.train.batch(np.array([1, 0, 1]), 0)[0].flatten().tolist() == [9.0, 4.0, 9.0]
    assert data.train_labels.tolist() == [4, 9]


def test_some_examples_are_those_of_the_split_in_another_process_too() -> None:
    whole = Examples(np.arange(8), np.zeros(8, dtype=np.int64), picture, tuple("abcdefgh"))
    some = pickle.loads(pickle.dumps(whole.take(np.array([6, 2]))))
    assert some.labels.tolist() == [6, 2]
    assert some.digests == ("g", "c")
    assert [some.fetch(n).getpixel((0, 0))[0] for n in range(2)] == [6, 2]
