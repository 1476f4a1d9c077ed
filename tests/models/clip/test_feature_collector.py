"""Features that fit neither on the disk nor, perhaps, in memory."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsilo.core import Examples
from fedsilo.core.errors import DataError
from fedsilo.models.clip import feature_cache as caching
from fedsilo.models.clip import feature_collector as gathering
from fedsilo.models.clip import features
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.models.clip.features import Viewing
from fedsilo.models.clip.image_encoder import ImageEncoder

SPAN = 20  # four chunks a view, the last one of 15 images
BOTH = ("image", "patches")
VIEWS = Viewing((2, 0), 5, BOTH)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CHUNK", SPAN)


@pytest.mark.parametrize("written", [0, 3])
def test_full_disk_takes_everything_into_memory(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    gathered = extract(encoder, examples, VIEWS)
    cache, times, replace = FeatureCache(tmp_path, in_memory=0), [0], caching._replace

    def full(path: Path, content: bytes) -> None:
        times[0] += 1
        if times[0] > written:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(path, content)

    monkeypatch.setattr(caching, "_replace", full)
    found = extract(encoder, examples, VIEWS, cache)
    assert isinstance(found, CachedFeatures)
    np.testing.assert_array_equal(found.columns["image"], gathered.columns["image"])
    np.testing.assert_array_equal(found.columns["patches"], gathered.columns["patches"])
    assert len(cache.entries()) == written
    assert [text.split(":")[0] for text in cache.notices] == [f"feature cache {tmp_path}", "features"]
    assert "held in memory" in cache.notices[1]


def test_neither_disk_nor_memory_is_one_line(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short:
        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        def empty(self, *shape: Any, **options: Any) -> Any:
            raise MemoryError

    (tmp_path / "file").touch()
    monkeypatch.setattr(gathering, "np", Short())
    with pytest.raises(DataError, match=r"fit neither in memory nor.*FEDSILO_CACHE.*training\.online: true\.$"):
        extract(encoder, examples, VIEWS, FeatureCache(tmp_path / "file", in_memory=0))


def test_chunks_cleared_before_they_are_read_back_are_not_passed_over(
    encoder: ImageEncoder, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, replace = FeatureCache(tmp_path, in_memory=0), caching._replace

    def full(path: Path, content: bytes) -> None:
        if len(cache.entries()) == 2:
            cache.clear()
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(path, content)

    monkeypatch.setattr(caching, "_replace", full)
    with pytest.raises(DataError, match="40 of 150 images were not encoded"):
        extract(encoder, examples, VIEWS, cache)
