"""Pixels of a split: the views that features are computed from, made where they are used."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from fedsilo.core import Examples
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.features import OnlineFeatures, Viewing
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.pixels import DecodedImages, Pixels

CHOSEN = np.array([7, 0, 7])


def test_a_view_of_an_image_is_the_same_in_all_columns(encoder: ImageEncoder, examples: Examples) -> None:
    some, pixels = examples.take(np.arange(9)), Pixels(encoder.preprocessing, examples, seed=5)
    every = ("hidden.0", "image", "patches", "pixels")
    online = OnlineFeatures(encoder, pixels, every)
    cached = {group: extract(encoder, some, Viewing((0, 1, 3), 5, group)) for group in (("image",), ("hidden.0",))}
    for view in (0, 1, 3):
        found = online.batch(CHOSEN, view)
        assert sorted(found) == sorted(every)
        seen = pixels.batch(CHOSEN, view)["pixels"]
        assert torch.equal(found["pixels"], seen)
        for i, image in zip(CHOSEN.tolist(), seen, strict=True):
            own = encoder.preprocessing.view(examples.fetch(i), view, examples.digests[i], 5)
            assert torch.equal(image, own)
        for (name,), source in cached.items():
            torch.testing.assert_close(source.batch(CHOSEN, view)[name], found[name], rtol=1e-5, atol=1e-5)
    assert not torch.equal(pixels.batch(CHOSEN, 1)["pixels"], pixels.batch(CHOSEN, 3)["pixels"])
    assert sorted(online.only({"pixels", "image"}).batch(CHOSEN, 0)) == ["image", "pixels"]


def test_no_image_has_the_shape_of_any_other(encoder: ImageEncoder, examples: Examples) -> None:
    none = Pixels(encoder.preprocessing, examples, 0).batch(np.zeros(0, dtype=np.int64), 0)["pixels"]
    assert (none.shape, none.dtype) == ((0, 3, 32, 32), torch.float32)


class Counting:
    """Fetches and counts."""

    def __init__(self, examples: Examples) -> None:
        self.examples, self.fetched = examples, []  # type: ignore[var-annotated]

    def __call__(self, i: int) -> Any:
        self.fetched.append(i)
        return self.examples.fetch(i)


def test_an_image_is_decoded_once_while_there_is_room_and_none_travels(
    encoder: ImageEncoder, examples: Examples
) -> None:
    counting = Counting(examples)
    watched = replace(examples, fetch=counting)
    size = np.asarray(examples.fetch(0)).nbytes
    room = Pixels(encoder.preprocessing, watched, 0, DecodedImages(size))
    first = room.batch(np.array([0, 1]), 1)["pixels"]
    again = room.batch(np.array([1, 0]), 1)["pixels"]
    assert torch.equal(first, again.flip(0))
    assert counting.fetched == [0, 1, 1]
    assert not pickle.loads(pickle.dumps(Pixels(encoder.preprocessing, examples, 0, room._decoded)))._decoded._held
