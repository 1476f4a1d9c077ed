from __future__ import annotations

import copy
import pickle
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.clip.conftest import BOTH, SPAN, VIEWS, first

from fedsilo.core import Examples
from fedsilo.core.errors import BackboneError, DataError
from fedsilo.models.clip import features
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.models.clip.features import (
    Chunk,
    EncodedChunk,
    OnlineFeatures,
    Viewing,
    encode_chunk,
    encode_chunks,
    split_into_chunks,
)
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.pixels import Pixels


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CHUNK", SPAN)


def test_chunks_cover_every_image_of_every_view_once(encoder: ImageEncoder, examples: Examples) -> None:
    found = split_into_chunks(encoder, examples, VIEWS)
    assert [(chunk.view, chunk.start, chunk.stop) for chunk in found] == [
        (view, *span) for view in (0, 1, 2) for span in ((0, SPAN), (SPAN, 75))
    ]
    assert len({chunk.key for chunk in found}) == len(found)


def test_key_says_all_that_the_numbers_depend_on(encoder: ImageEncoder, examples: Examples) -> None:
    def key(encoder: ImageEncoder = encoder, examples: Examples = examples, **options: Any) -> str:
        return split_into_chunks(encoder, examples, Viewing(**{"views": (1,), "seed": 5, **options}))[0].key

    changed = (examples.digests[0] + "x", *examples.digests[1:])
    different = [
        key(),
        key(encoder=replace(encoder, fingerprint="other")),
        key(encoder=replace(encoder, precision="bf16")),
        key(encoder=replace(encoder, device="cuda")),
        key(encoder=replace(encoder, device="cuda", tf32=True)),
        key(encoder=replace(encoder, preprocessing=replace(encoder.preprocessing, mean=(0.4,) * 3))),
        key(examples=replace(examples, digests=changed)),
        key(examples=first(examples, 60)),
        key(views=(2,)),
        key(seed=6),
        key(columns=("hidden.0",)),
        key(columns=("hidden.1",)),
    ]
    assert len(set(different)) == len(different)
    assert key(columns=BOTH) == key()
    assert key(encoder=replace(encoder, tf32=True)) == key()  # on the CPU it is the same
    assert key(views=(0,), seed=6) == key(views=(0,))


def test_chunk_can_be_encoded_elsewhere(encoder: ImageEncoder, examples: Examples) -> None:
    chunk = split_into_chunks(encoder, first(examples, 70), Viewing((1,), columns=BOTH))[0]
    here = encode_chunk(encoder, examples, chunk)
    there: EncodedChunk = pickle.loads(
        pickle.dumps(encode_chunk(*pickle.loads(pickle.dumps((encoder, examples, chunk)))))
    )
    np.testing.assert_array_equal(here.columns["image"], there.columns["image"])
    np.testing.assert_array_equal(here.columns["patches"], there.columns["patches"])
    assert here.columns["image"].shape == (70, 24)
    assert there.chunk == chunk


def test_view_that_was_not_extracted_is_named() -> None:
    features = CachedFeatures((1, 2), {"image": np.zeros((2, 3, 4), dtype=np.float32)})
    with pytest.raises(DataError, match="view 0 was not extracted"):
        features.batch(np.array([0]), 0)


def one_by_one(encoder: ImageEncoder, examples: Examples, chunk: Chunk) -> list[Any]:
    """The features of a chunk without threads: 64 images are prepared, then they go through the tower."""
    parts = []
    for start in range(chunk.start, chunk.stop, 64):
        numbers = range(start, min(start + 64, chunk.stop))
        prepare = encoder.preprocessing.view
        images = [prepare(examples.fetch(i), chunk.view, examples.digests[i], chunk.seed) for i in numbers]
        parts.append(encoder.encode(torch.stack(images), "patches" in chunk.columns))
    return [torch.cat(found).numpy() for found in zip(*parts, strict=True)]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_threads_do_not_change_the_bits(encoder: ImageEncoder, examples: Examples, threads: int) -> None:
    wanted = split_into_chunks(encoder, examples, VIEWS)
    for chunk, encoded in zip(wanted, encode_chunks(encoder, examples, wanted, threads), strict=True):
        assert encoded.chunk == chunk
        for here, there in zip(encoded.columns.values(), one_by_one(encoder, examples, chunk), strict=False):
            np.testing.assert_array_equal(here, there)


@dataclass(frozen=True)
class BrokenFrom:
    """Images of which one cannot be read, nor any after it."""

    number: int

    def __call__(self, i: int) -> Image.Image:
        if i >= self.number:
            raise DataError(f"{i}.jpg: not a sound image: cut off. Put the original file in its place.")
        return Image.new("RGB", (40, 40))


def test_image_that_cannot_be_read_is_named_and_finished_chunks_stay(
    encoder: ImageEncoder, examples: Examples, cache: FeatureCache
) -> None:
    with pytest.raises(DataError, match=r"^72\.jpg: not a sound image"):
        extract(encoder, replace(examples, fetch=BrokenFrom(72)), Viewing(), cache)
    assert len(cache.entries()) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fedsilo-ahead")]


def test_an_error_of_the_caller_ends_the_encoding(encoder: ImageEncoder, examples: Examples) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        extract(encoder, examples, Viewing(), progress=stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fedsilo-ahead")]
    del caught  # held until here: what ended the threads was not the collection of the frames it refers to


class Named:
    """Fetches images that have names."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def __call__(self, i: int) -> Image.Image:
        return self.examples.fetch(i)

    def name(self, i: int) -> str:
        return f"folder/{i:03}.png"


def spoiling(encoder: ImageEncoder, images: Sequence[int], examples: Examples, value: float) -> ImageEncoder:
    """An encoder whose tower gives some images a feature with such a value; all others theirs."""
    inputs = [encoder.preprocessing.plain(examples.fetch(i)) for i in images]

    class Tower(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            found = encoder.tower(batch).clone()
            hit = [row for row, image in enumerate(batch) if any(torch.equal(image, each) for each in inputs)]
            found[hit, 2] = value
            return found

    return replace(encoder, tower=Tower(), name="ViT-B-16")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_feature_that_is_not_finite_names_image_and_tower_and_is_not_cached(
    encoder: ImageEncoder, examples: Examples, cache: FeatureCache, value: float
) -> None:
    named = replace(examples, fetch=Named(examples))
    broken = spoiling(encoder, [66, 68, 74], examples, value)
    words = r"folder/066.png: the image tower of ViT-B-16 in fp32 gives pooled features .* 2 of 6 images of a batch"
    with pytest.raises(BackboneError, match=words):
        extract(broken, named, Viewing(), cache)
    assert not cache.entries()
    chosen = named.take(np.array([5, 74]))
    with pytest.raises(BackboneError, match=r"folder/074.png: .* 1 of 2 images"):
        OnlineFeatures(broken, Pixels(broken.preprocessing, chosen, 0)).batch(np.array([0, 1]), 0)
    with pytest.raises(BackboneError, match=r"features: image 66: "):
        extract(broken, examples, Viewing())
    assert len(extract(broken, examples.take(np.arange(60)), Viewing(), cache)) == 60


def test_an_overflow_in_half_precision_is_blamed_on_the_precision(
    build: Any, encoder: ImageEncoder, examples: Examples
) -> None:
    tower = copy.deepcopy(encoder.tower)
    tower.proj.data *= 1e5
    large = replace(encoder, tower=tower)
    assert extract(large, first(examples, 3), Viewing(columns=BOTH)).columns["image"].max() > 65_504
    with pytest.raises(BackboneError, match=r"image 0: .* in fp16 gives .* Set backbone.precision: fp32\."):
        extract(replace(large, precision="fp16"), first(examples, 3), Viewing())


def test_tokens_that_are_not_finite_and_inputs_that_are_not_have_different_remedies(encoder: ImageEncoder) -> None:
    images = torch.zeros(3, 3, 32, 32)
    tower = copy.deepcopy(encoder.tower)
    tower.ln_post.register_forward_hook(lambda module, given, output: output * (1e30 if output.shape[1] == 4 else 1.0))
    with pytest.raises(BackboneError, match=r"image 0: .* patch tokens .* 3 of 3 .* Use other weights: backbone.pretr"):
        replace(encoder, tower=tower).encode(images, tokens=True)
    images[1, 0, 0, 0] = float("nan")
    with pytest.raises(BackboneError, match=r"image 1: .* check the image and the model's preprocessing"):
        encoder.encode(images)


@pytest.mark.parametrize(("key", "value"), [("pixel_std", 1e-38), ("pixel_mean", 1e30), ("pixel_std", 1e-42)])
def test_numbers_that_the_scaling_of_pixels_spoils_are_blamed_on_its_keys(
    encoder: ImageEncoder, examples: Examples, key: str, value: float
) -> None:
    section = Backbone(**{key: (value,) * 3})
    scaled = replace(encoder.preprocessing, **{key.removeprefix("pixel_"): (value,) * 3})
    spoilt = replace(encoder, preprocessing=scaled, pixel_keys=section.pixel_keys)
    tower = copy.deepcopy(encoder.tower)
    tower.ln_pre = torch.nn.Identity()  # which would divide what is only large by itself
    with pytest.raises(
        BackboneError, match=rf"image 0: .*: set backbone\.{key}=\[{re.escape(str(value))}, .*to null or to the data"
    ):
        extract(replace(spoilt, tower=tower), first(examples, 2), Viewing())
