from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fedsilo.models.clip.feature_cache import FeatureCache, find_default_folder

POOLED = np.arange(12, dtype=np.float32).reshape(3, 4)
TOKENS = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
BOTH = ("image", "patches")


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features")


def test_what_was_written_is_read(cache: FeatureCache) -> None:
    cache.write("key", {"image": POOLED, "patches": TOKENS})
    found = cache.read("key", BOTH) or {}
    np.testing.assert_array_equal(found["image"], POOLED)
    np.testing.assert_array_equal(found["patches"], TOKENS)
    assert cache.read("other", ["image"]) is None
    assert cache.notices == []


def test_entry_with_tokens_serves_without_and_not_the_other_way(cache: FeatureCache) -> None:
    cache.write("full", {"image": POOLED, "patches": TOKENS})
    cache.write("pooled", {"image": POOLED})
    assert cache.read("full", ["image"]) is not None
    assert cache.read("pooled", BOTH) is None
    assert cache.read("pooled", ["image"]) is not None


@pytest.mark.parametrize("position", [2, 60, -1])
def test_damaged_entry_is_dropped_with_a_notice(cache: FeatureCache, position: int) -> None:
    cache.write("key", {"image": POOLED, "patches": TOKENS})
    (path,) = cache.folder.iterdir()
    content = bytearray(path.read_bytes())
    content[position] ^= 255
    path.write_bytes(content)
    assert cache.read("key", BOTH) is None
    assert len(cache.notices) == 1
    assert "is damaged" in cache.notices[0]
    assert not path.exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize(("name", "inside"), [("image", "pooled"), ("patches", "tokens")])
def test_entry_that_is_not_finite_is_dropped_with_a_notice(
    cache: FeatureCache, name: str, inside: str, value: float
) -> None:
    """Its checksum is right: a version that did not look has written it."""
    arrays = {"image": POOLED.copy(), "patches": TOKENS.copy()}
    arrays[name].reshape(-1)[-1] = value
    cache.write("key", arrays)
    assert cache.read("key", BOTH) is None
    assert (
        f"is damaged ('{inside}' holds numbers that are not finite). Its images are encoded again." in cache.notices[0]
    )
    assert not cache.entries()


@pytest.mark.parametrize("kept", [0, 5, 200])
def test_cut_off_entry_is_dropped(cache: FeatureCache, kept: int) -> None:
    cache.write("key", {"image": POOLED, "patches": TOKENS})
    (path,) = cache.folder.iterdir()
    path.write_bytes(path.read_bytes()[:kept])
    assert cache.read("key", ["image"]) is None
    assert not path.exists()


def test_entry_under_another_name_is_dropped(cache: FeatureCache) -> None:
    cache.write("key", {"image": POOLED})
    (path,) = cache.folder.iterdir()
    path.rename(path.with_name("stolen.safetensors"))
    assert cache.read("stolen", ["image"]) is None
    assert len(cache.notices) == 1


def test_folder_that_cannot_be_made_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(tmp_path / "file" / "features")
    for key in ("a", "b"):
        assert cache.read(key, ["image"]) is None
        cache.write(key, {"image": POOLED})
    assert len(cache.notices) == 1
    assert "continues without it" in cache.notices[0]
    assert cache.entries() == []


def test_full_disk_leaves_nothing_behind(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    cache.write("key", {"image": POOLED})
    assert list(cache.folder.iterdir()) == []
    assert "No space left" in cache.notices[0]


def test_writers_at_once_never_show_half_an_entry(cache: FeatureCache) -> None:
    big = np.random.default_rng(0).random((200, 64), dtype=np.float32)
    other = FeatureCache(cache.folder)

    def work(number: int) -> bool:
        (cache, other)[number % 2].write("key", {"image": big})
        found = other.read("key", ["image"])
        return found is not None and np.array_equal(found["image"], big)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(24)))
    assert len(cache.entries()) == 1
    assert cache.notices == other.notices == []


def test_entries_are_listed_and_cleared_with_what_interrupted_runs_left(cache: FeatureCache) -> None:
    cache.write("a", {"image": POOLED})
    cache.write("b", {"image": POOLED, "patches": TOKENS})
    (cache.folder / "partial-x").write_bytes(b"half")
    entries = cache.entries()
    assert [entry.key for entry in entries] == ["a", "b"]
    assert cache.size() == sum(entry.size for entry in entries) > POOLED.nbytes + POOLED.nbytes + TOKENS.nbytes
    assert cache.clear() == 2
    assert list(cache.folder.iterdir()) == []
    assert cache.size() == 0


def test_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSILO_CACHE", str(tmp_path))
    assert find_default_folder() == FeatureCache().folder == tmp_path / "features"
    monkeypatch.delenv("FEDSILO_CACHE")
    assert find_default_folder().name == "features"
