"""Examples of each attribute and each object at each client of a partition of compositions.

Dimensions: N clients, W words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.partitioning.manifest import Manifest


@dataclass(frozen=True, slots=True)
class WordCounts:
    """Examples by word.

    Attributes:
        part: "attribute" or "object".
        words: (W,) the words that occur, sorted.
        train: (N, W) training examples.
        test: (N, W) test examples.
    """

    part: str
    words: tuple[str, ...]
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def count_words(manifest: Manifest) -> tuple[WordCounts, ...]:
    """Counts the examples of each attribute and each object.

    Args:
        manifest: The partition.

    Returns:
        The counts of attributes and those of objects; empty where classes are not composed.
    """
    train = manifest.train_counts()
    test = np.array([client.test_classes for client in manifest.clients], dtype=np.int64)
    found = []
    for part, of_class in (("attribute", manifest.attributes), ("object", manifest.objects)):
        if not of_class:
            continue
        words, places = np.unique(np.array(of_class), return_inverse=True)
        by_word = [np.zeros((len(counts), len(words)), dtype=np.int64) for counts in (train, test)]
        for counts, summed in zip((train, test), by_word, strict=True):
            np.add.at(summed.T, places, counts.T)
        found.append(WordCounts(part, tuple(map(str, words)), *by_word))
    return tuple(found)
