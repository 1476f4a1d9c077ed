"""Candidates of a run: written for pairs, read back equal, and refused where they are of other classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsilo.core.batch import Candidates, named
from fedsilo.core.errors import RunError
from fedsilo.storage.candidates_file import CANDIDATES, hash_candidates, read_candidates, write_candidates

PAIRS = Candidates(
    ("red box", "red cup", "blue cup"),
    {"attribute": np.array([0, 0, 1]), "object": np.array([0, 1, 1])},
    np.array([True, True, False]),
    {"attribute": ("red", "blue"), "object": ("box", "cup")},
    np.array([True, False, True]),
    np.array([True, True, False]),
)


def test_pairs_come_back_as_they_were(tmp_path: Path) -> None:
    write_candidates(tmp_path, PAIRS)
    found = read_candidates(tmp_path, PAIRS.texts)
    assert (found.texts, found.words, found.own) == (PAIRS.texts, PAIRS.words, None)
    for name in ("seen", "allowed", "allowed_in_validation"):
        assert getattr(found, name).tolist() == getattr(PAIRS, name).tolist()
    assert {name: part.tolist() for name, part in found.parts.items()} == {"attribute": [0, 0, 1], "object": [0, 1, 1]}
    write_candidates(tmp_path, replace(PAIRS, allowed=None))
    assert read_candidates(tmp_path, PAIRS.texts).allowed is None


def test_plain_classes_have_no_file(tmp_path: Path) -> None:
    write_candidates(tmp_path, named(("cat", "dog")))
    assert not list(tmp_path.iterdir())
    assert hash_candidates(named(("cat", "dog"))) is None
    assert read_candidates(tmp_path, ("cat", "dog")).texts == ("cat", "dog")


def test_the_hash_depends_on_what_may_be_predicted() -> None:
    other = replace(PAIRS, allowed=np.array([True, True, True]))
    assert hash_candidates(PAIRS) == hash_candidates(replace(PAIRS)) != hash_candidates(other)


@pytest.mark.parametrize("change", [{"parts": {"attribute": [0]}}, {"seen": [7]}, {"words": None}, {"seen": "x"}])
def test_a_damaged_file_is_one_line(change: dict[str, object], tmp_path: Path) -> None:
    write_candidates(tmp_path, PAIRS)
    path = tmp_path / CANDIDATES
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RunError, match=r"candidates\.json: is damaged or not of this run"):
        read_candidates(tmp_path, PAIRS.texts)


@pytest.mark.parametrize("change", ["missing", {"allowed": []}, {"seen": [0]}])
def test_a_file_that_the_run_did_not_begin_with_is_one_line(change: dict[str, object] | str, tmp_path: Path) -> None:
    write_candidates(tmp_path, PAIRS)
    (tmp_path / "data.json").write_text(json.dumps({"candidates_sha256": hash_candidates(PAIRS)}))
    assert read_candidates(tmp_path, PAIRS.texts).texts == PAIRS.texts
    path = tmp_path / CANDIDATES
    if isinstance(change, str):
        path.unlink()
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RunError, match=r"candidates\.json: is (missing|not the file that the run began with)"):
        read_candidates(tmp_path, PAIRS.texts)
