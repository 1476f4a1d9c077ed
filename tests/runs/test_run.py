"""fedsilo.run: overrides, hashes and the cache of features."""

from pathlib import Path
from typing import Any

import pytest
from tests.runs.small_scenario import SMALL

import fedsilo
from fedsilo.core.errors import ScenarioError


def test_overrides_win_and_wrong_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"training\.rounds"):
        fedsilo.run(SMALL, training={"rounds": 0}, tracking={"root": str(tmp_path / "runs")})
    assert not (tmp_path / "runs").exists()


def test_the_same_seed_gives_the_same_hashes_and_another_one_others(tmp_path: Path, cache_folder: Path) -> None:
    def sha(**changes: Any) -> str:
        return str(fedsilo.run(SMALL, tracking={"root": str(tmp_path)}, **changes).result["sha256"])

    assert sha() == sha()
    assert sha() != sha(seed=1)


def test_cached_and_fresh_features_give_the_same_run(tmp_path: Path, cache_folder: Path) -> None:
    def sha() -> str:
        return str(fedsilo.run(SMALL, tracking={"root": str(tmp_path)}).result["sha256"])

    cold = sha()
    assert list(cache_folder.rglob("*.safetensors"))
    assert sha() == cold
    for path in cache_folder.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-7])
    assert sha() == cold
