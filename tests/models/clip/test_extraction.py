"""Features of a whole split, encoded or read from the cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.clip.conftest import BOTH, SPAN, VIEWS, first

from fedsilo.core import Examples
from fedsilo.core.errors import BackboneError, DataError
from fedsilo.models.clip import features
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.models.clip.features import (
    Chunk,
    EncodedChunk,
    OnlineFeatures,
    Viewing,
    encode_chunk,
    split_into_chunks,
)
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.pixels import Pixels
from fedsilo.models.clip.views import Preprocessing


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CHUNK", SPAN)


def none_missing(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
    assert not missing
    return []


def paired(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    assert list(here) == list(there)
    return [(here[name], there[name]) for name in here]


def test_cached_equals_online_for_the_same_views(
    encoder: ImageEncoder, examples: Examples, cache: FeatureCache
) -> None:
    extract(encoder, examples, VIEWS, cache)
    cached = extract(encoder, examples, VIEWS, cache, none_missing)
    online = OnlineFeatures(encoder, Pixels(encoder.preprocessing, examples, 5), BOTH)
    chosen = np.array([74, 0, 7, 69, 70])
    for view in VIEWS.views:
        for here, there in paired(cached.batch(chosen, view), online.batch(chosen, view)):
            torch.testing.assert_close(here, there, rtol=1e-5, atol=1e-5)
    none = np.zeros(0, dtype=np.int64)  # as a Poisson sample may ask for
    for here, there in paired(cached.batch(none, 1), online.batch(none, 1)):
        assert here.shape == there.shape
        assert len(there) == 0
    assert len(cached) == len(online) == 75
    assert not torch.allclose(cached.batch(chosen, 1)["image"], cached.batch(chosen, 2)["image"])


def test_cached_and_fresh_features_are_the_same_bits(
    encoder: ImageEncoder, examples: Examples, cache: FeatureCache
) -> None:
    fresh = extract(encoder, examples, VIEWS, cache)
    read = extract(encoder, examples, VIEWS, cache, none_missing)
    np.testing.assert_array_equal(fresh.columns["image"], read.columns["image"])
    np.testing.assert_array_equal(fresh.columns["patches"], read.columns["patches"])


def test_chunks_may_come_in_any_order_and_progress_counts_images(encoder: ImageEncoder, examples: Examples) -> None:
    reports: list[tuple[int, int]] = []

    def backwards(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
        return [encode_chunk(encoder, examples, chunk) for chunk in reversed(missing)]

    viewing = Viewing((0, 3))
    found = extract(
        encoder, examples, viewing, encode=backwards, progress=lambda done, total: reports.append((done, total))
    )
    expected = extract(encoder, examples, viewing)
    np.testing.assert_array_equal(found.columns["image"], expected.columns["image"])
    assert reports == [(0, 150), (5, 150), (75, 150), (80, 150), (150, 150)]
    assert list(found.columns) == ["image"]


def test_only_what_is_missing_or_damaged_is_encoded(
    encoder: ImageEncoder, examples: Examples, cache: FeatureCache
) -> None:
    asked: list[Chunk] = []

    def watched(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
        asked.extend(missing)
        return [encode_chunk(encoder, examples, chunk) for chunk in missing]

    before = extract(encoder, examples, Viewing((0, 1)), cache, watched)
    assert len(asked) == 4
    victim = cache.folder / f"{asked[2].key}.safetensors"
    victim.write_bytes(victim.read_bytes()[:-1] + b"\x99")
    asked.clear()
    after = extract(encoder, examples, Viewing((0, 1, 2)), cache, watched)
    assert [(chunk.view, chunk.start) for chunk in asked] == [(1, 0), (2, 0), (2, 70)]
    assert len(cache.notices) == 1
    np.testing.assert_array_equal(after.columns["image"][:2], before.columns["image"])


def test_features_with_tokens_serve_a_method_without(
    encoder: ImageEncoder, examples: Examples, cache: FeatureCache
) -> None:
    some = first(examples, 20)
    full = extract(encoder, some, Viewing(columns=BOTH), cache)
    pooled = extract(encoder, some, Viewing(), cache, none_missing)
    assert list(pooled.columns) == ["image"]
    np.testing.assert_array_equal(pooled.columns["image"], full.columns["image"])


def test_missing_chunks_are_never_passed_over(encoder: ImageEncoder, examples: Examples) -> None:
    def lazy(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
        return [encode_chunk(encoder, examples, chunk) for chunk in missing[1:]]

    with pytest.raises(DataError, match="70 of 75 images were not encoded"):
        extract(encoder, examples, Viewing(), encode=lazy)


def test_no_images_are_refused(encoder: ImageEncoder, examples: Examples) -> None:
    with pytest.raises(DataError, match="no images"):
        extract(encoder, first(examples, 0), Viewing())


def test_tokens_of_a_tower_without_any_are_refused_before_encoding(examples: Examples) -> None:
    tower = ImageEncoder(torch.nn.Flatten(), Preprocessing(4, 4, (0.5,) * 3, (0.5,) * 3), "weights")
    with pytest.raises(BackboneError, match="gives no patch tokens"):
        extract(tower, examples, Viewing(columns=BOTH))


def test_a_cache_that_was_poisoned_is_filled_again(
    encoder: ImageEncoder, examples: Examples, cache: FeatureCache
) -> None:
    sound = extract(encoder, examples, VIEWS, cache)
    key = split_into_chunks(encoder, examples, VIEWS)[1].key
    found = cache.read(key, BOTH)
    assert found is not None
    cache.write(key, {**found, "image": found["image"] * np.float32(np.nan)})
    again = extract(encoder, examples, VIEWS, cache)
    np.testing.assert_array_equal(again.columns["image"], sound.columns["image"])
    assert "not finite" in cache.notices[0]
    assert cache.read(key, BOTH) is not None
