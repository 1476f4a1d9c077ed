"""Features that are too large to gather: the same numbers from the files of the cache."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.core import Examples
from fedsilo.core.errors import DataError
from fedsilo.models.clip import features
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.models.clip.features import Chunk, EncodedChunk, Viewing
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.stored_features import StoredFeatures

SPAN = 20  # four chunks a view, the last one of 15 images
BOTH = ("image", "patches")
VIEWS = Viewing((2, 0), 5, BOTH)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CHUNK", SPAN)


def none_missing(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
    assert not missing
    return []


def same(here: Any, there: Any, chosen: list[int], view: int) -> None:
    indices = np.array(chosen, dtype=np.int64)
    one, other = here.batch(indices, view), there.batch(indices, view)
    assert list(one) == list(other)
    for a, b in ((one[name], other[name]) for name in one):
        assert (a.dtype, a.shape, a.is_contiguous()) == (b.dtype, b.shape, b.is_contiguous())
        assert torch.equal(a, b)
        a += 1  # its own memory, as a batch of gathered features is


BATCHES = ([3], [], list(range(75)), [74, 0, 19, 20, 21, 59, 60, 20], [5, 4, 3, 2], [7, 7, 7], list(range(15, 45)))


@pytest.mark.parametrize("tokens", [False, True])
def test_stored_features_are_the_gathered_ones_bit_for_bit(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path, tokens: bool
) -> None:
    viewing = Viewing((2, 0), 5, BOTH if tokens else ("image",))
    gathered = extract(encoder, examples, viewing, FeatureCache(tmp_path / "a", in_memory=None))
    fresh = extract(encoder, examples, viewing, FeatureCache(tmp_path / "b", in_memory=0))
    again = extract(encoder, examples, viewing, FeatureCache(tmp_path / "b", in_memory=0), none_missing)
    assert isinstance(gathered, CachedFeatures)
    assert len(fresh) == len(again) == 75
    for stored in (fresh, again, pickle.loads(pickle.dumps(fresh))):
        assert isinstance(stored, StoredFeatures)
        assert stored.on("cuda") is stored
        for chosen in BATCHES:
            for view in (0, 2):
                same(stored, gathered, chosen, view)
    assert sum(path.stat().st_size for path in (tmp_path / "b").iterdir()) == sum(
        path.stat().st_size for path in (tmp_path / "a").iterdir()
    )


def test_limit_is_of_the_bytes_of_all_views_with_tokens(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path
) -> None:
    size = 2 * 75 * (24 + 4 * 24) * 4
    for limit, kind in ((size, CachedFeatures), (size - 1, StoredFeatures)):
        assert type(extract(encoder, examples, VIEWS, FeatureCache(tmp_path, in_memory=limit))) is kind
    assert type(extract(encoder, examples, VIEWS)) is CachedFeatures


def test_pickled_source_names_files_and_holds_no_features(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path
) -> None:
    stored = extract(encoder, examples, VIEWS, FeatureCache(tmp_path, in_memory=0))
    assert len(pickle.dumps(stored)) < 200 * 8 < 2 * 75 * 24 * 4


@pytest.mark.parametrize("harm", ["cut off", "altered"])
def test_damaged_chunk_is_found_out_and_made_again(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path, harm: str
) -> None:
    gathered = extract(encoder, examples, VIEWS)
    cache = FeatureCache(tmp_path, in_memory=0)
    extract(encoder, examples, VIEWS, cache)
    victim = sorted(tmp_path.iterdir())[3]
    content = victim.read_bytes()
    victim.write_bytes(content[:-100] if harm == "cut off" else content[:-100] + bytes(100))
    again = extract(encoder, examples, VIEWS, cache)
    assert isinstance(again, StoredFeatures)
    assert len(cache.notices) == 1
    assert victim.stat().st_size == len(content)
    same(again, gathered, list(range(75)), 2)
    same(again, gathered, list(range(75)), 0)


@pytest.mark.parametrize("harm", ["cleared", "cut off", "other machine"])
def test_file_that_goes_while_it_is_used_is_one_line(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path, harm: str
) -> None:
    cache = FeatureCache(tmp_path / "a", in_memory=0)
    stored = extract(encoder, examples, VIEWS, cache)
    if harm == "cleared":
        cache.clear()
    elif harm == "cut off":
        for path in cache.folder.iterdir():
            path.write_bytes(path.read_bytes()[:-50])
    else:
        (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(DataError, match=r"^features: .*cannot be read any more.*FEDSILO_CACHE\.$") as caught:
        stored.batch(np.array([3]), 0)
    assert "\n" not in str(caught.value)


def test_another_run_without_tokens_does_not_take_them_away(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path
) -> None:
    cache, plain = FeatureCache(tmp_path, in_memory=0), Viewing((0,), 5)
    found: list[Any] = []

    def overtaken(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
        found.append(extract(encoder, examples, Viewing((0,), 5, BOTH), cache))
        return [features.encode_chunk(encoder, examples, chunk) for chunk in missing]

    pooled = extract(encoder, examples, plain, cache, overtaken)
    same(pooled, extract(encoder, examples, plain), [0, 74], 0)
    same(found[0], extract(encoder, examples, Viewing((0,), 5, BOTH)), [0, 74], 0)


def test_view_that_was_not_extracted_is_named(encoder: ImageEncoder, examples: Examples, tmp_path: Path) -> None:
    stored = extract(encoder, examples, VIEWS, FeatureCache(tmp_path, in_memory=0))
    with pytest.raises(DataError, match="view 1 was not extracted"):
        stored.batch(np.array([0]), 1)
