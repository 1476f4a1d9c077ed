"""`fedsilo cache` on a cache with entries made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fedsilo.models.clip.feature_cache import FeatureCache


def test_entries_are_counted_with_their_bytes_and_cleared(command: Any, tmp_path: Path) -> None:
    call, folder = command("cache", tmp_path), tmp_path / "cache" / "features"
    for number, key in enumerate(("a" * 8, "b" * 8)):
        assert FeatureCache(folder).write(key, {"image": np.full((3, 4), number, np.float32)})
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert json.loads(call("ls", "--json")[0]) == {"folder": str(folder), "entries": 2, "bytes": size}
    assert call("ls")[0] == f"{folder}: 2 entries, 0.0 MB\n"
    assert call("clear")[0] == f"{folder}: removed 2 entries\n"
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert call("clear")[0] == f"{folder}: removed 0 entries\n"
