"""The candidates of a run whose classes are composed of parts: candidates.json in its folder.

Other runs have no such file: their candidates are the classes of the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.batch import Candidates, named
from fedsilo.core.errors import RunError
from fedsilo.storage.run_folder import read_json, write_json

CANDIDATES = "candidates.json"

_MASKS = ("seen", "allowed", "allowed_in_validation")


def write_candidates(folder: Path, among: Candidates) -> None:
    """Writes the candidates of a run; nothing where they have no parts with words.

    Args:
        folder: The run's folder.
        among: The candidates.
    """
    if among.words:
        write_json(folder / CANDIDATES, _to_document(among))


def hash_candidates(among: Candidates) -> str | None:
    """Hashes which candidates there are and which are allowed.

    Args:
        among: The candidates.

    Returns:
        The sha256, hex; None where they have no parts with words.
    """
    return hashlib.sha256(json.dumps(_to_document(among)).encode()).hexdigest() if among.words else None


def read_candidates(folder: Path, classes: Sequence[str]) -> Candidates:
    """Reads the candidates of a run.

    Args:
        folder: The run's folder.
        classes: Names of the classes in its manifest.

    Returns:
        The candidates; the classes for a run that began without the file.

    Raises:
        RunError: The file is missing, is damaged, or is not the one that the run began with.
    """
    path, origin = folder / CANDIDATES, folder / "data.json"
    expected = read_json(origin).get("candidates_sha256") if origin.exists() else None
    if not path.exists():
        if expected:
            raise RunError(f"{path}: is missing. Restore the file.")
        return named(tuple(classes))
    document = read_json(path)
    try:
        masks = {name: _read_mask(document[name], len(classes)) for name in _MASKS}
        parts = {name: np.array(values, dtype=np.int64) for name, values in document["parts"].items()}
        words = {name: tuple(map(str, values)) for name, values in document["words"].items()}
        if any(len(part) != len(classes) or part.min() < 0 or part.max() >= len(words[n]) for n, part in parts.items()):
            raise ValueError("its parts do not fit the classes")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path}: is damaged or not of this run: {error!r}. Restore the file.") from None
    seen = masks["seen"]
    assert seen is not None
    found = Candidates(tuple(classes), parts, seen, words, masks["allowed"], masks["allowed_in_validation"])
    if expected and hash_candidates(found) != expected:
        raise RunError(f"{path}: is not the file that the run began with. Restore the file.")
    return found


def _to_document(among: Candidates) -> dict[str, Any]:
    masks = {name: getattr(among, name) for name in _MASKS}
    return {
        "words": {name: list(values) for name, values in among.words.items()},
        "parts": {name: values.tolist() for name, values in among.parts.items()},
        **{name: None if mask is None else np.flatnonzero(mask).tolist() for name, mask in masks.items()},
    }


def _read_mask(positions: Sequence[int] | None, count: int) -> NDArray[np.bool_] | None:
    if positions is None:
        return None
    mask = np.zeros(count, dtype=bool)
    mask[np.array(positions, dtype=np.int64)] = True
    return mask
