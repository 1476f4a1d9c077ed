"""Vectors of words from a GloVe text file: a word and its numbers in each line.

Source: Pennington et al., "GloVe: Global Vectors for Word Representation", EMNLP 2014; glove.6B.300d.txt is the usual
file. Names of several words get the mean of their words' vectors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.errors import DataError

RENAMED = {
    "faux fur": "fake fur",
    "faux leather": "fake leather",
    "full grain leather": "thick leather",
    "hair calf": "hair leather",
    "patent leather": "shiny leather",
    "nubuck": "grainy leather",
    "boots ankle": "ankle boots",
    "boots knee high": "knee high boots",
    "boots mid calf": "midcalf boots",
    "shoes boat shoes": "boat shoes",
    "shoes clogs and mules": "clogs shoes",
    "shoes flats": "flats shoes",
    "shoes heels": "heels",
    "shoes loafers": "loafers",
    "shoes oxfords": "oxford shoes",
    "shoes sneakers and athletic shoes": "sneakers",
    "trash can": "trashcan",
    "dry erase board": "dry erase board",
    "black and white": "black white",
    "eiffel tower": "tower",
}
"""Names of UT-Zappos and C-GQA that the field looks up under other words, as in the code of CGE and CSP."""

_SHOWN = 5


def read_word_vectors(path: Path, names: Sequence[str]) -> NDArray[np.float32]:
    """Reads the vectors of names.

    Args:
        path: A GloVe text file, UTF-8.
        names: Names of one or several words, separated by spaces, '_', '.' or '-'; case does not count.

    Returns:
        (n, G) vectors.

    Raises:
        DataError: The file cannot be read, is no GloVe file, or lacks a word; or a name has no direction.
    """
    words = [_split(name) for name in names]
    alternatives = {name.lower() for name in names if "-" in name}  # "t-shirt" is a word of the file
    found = _read(path, {word for own in words for word in own} | alternatives)
    lacking = sorted(
        {word for name, own in zip(names, words, strict=True) if name.lower() not in found for word in own or [name]}
        - set(found)
    )
    if lacking:
        shown = ", ".join(map(repr, lacking[:_SHOWN])) + (
            f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        )
        raise DataError(f"{path}: has no vector for {shown}. Use a file that has them, or `task.feasibility=clip`.")
    own = [
        [found[name.lower()]] if name.lower() in found else [found[word] for word in parts]
        for name, parts in zip(names, words, strict=True)
    ]
    means = np.stack([np.mean(vectors, axis=0) for vectors in own])
    for name, length in zip(names, np.linalg.norm(means, axis=1), strict=True):
        if not length > 0:
            raise DataError(f"{path}: the vectors of the words of '{name}' add up to zero. Give a GloVe text file.")
    return means


def _split(name: str) -> list[str]:
    """The words under which a name is looked up."""
    plain = " ".join(re.split(r"[\s_.\-]+", name.lower().strip()))
    return RENAMED.get(plain, plain).split()


def _read(path: Path, wanted: set[str]) -> dict[str, NDArray[np.float32]]:
    """The vectors of those of the words that the file has."""
    found: dict[str, NDArray[np.float32]] = {}
    keys = {word.encode(): word for word in wanted}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                word, _, numbers = line.partition(b" ")
                if word in keys:
                    found[keys[word]] = _parse(numbers, f"{path}, line {number}")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror}. Give the path of a GloVe text file in task.glove."
        ) from None
    lengths = {len(vector) for vector in found.values()}
    if len(lengths) > 1:
        raise DataError(f"{path}: its lines have {min(lengths)} to {max(lengths)} numbers. Give a GloVe text file.")
    return found


def _parse(numbers: bytes, where: str) -> NDArray[np.float32]:
    try:
        vector = np.array(numbers.split(), dtype=np.float32)
    except ValueError:
        vector = np.zeros(0, dtype=np.float32)
    with np.errstate(over="ignore"):
        length = np.linalg.norm(vector)
    if not (np.isfinite(length) and length > 0):
        raise DataError(f"{where}: is not a word with its numbers. Give a GloVe text file.")
    return vector
