"""Columns of a partition's figure: one per client, or one per group of many clients in a meaningful order.

Dimensions: N clients, C columns, K classes, D domains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.partitioning.heterogeneity import label_shift
from fedsilo.partitioning.manifest import Manifest
from fedsilo.partitioning.word_counts import count_words

Floats = NDArray[np.float64]

IN_ORDER = 150
"""Most clients that keep their places; more clients are ordered, so that structure is visible."""

FITTING = 600
"""Columns that fit on a page, about three pixels each; more clients share columns."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The values of a partition's figure, column by column.

    Attributes:
        train: Training examples (C, D) of each domain, the mean of a column's clients.
        test: Test examples (C, D) of each domain.
        classes: Training examples (C, K) of each class; for compositions of the pairs that have some.
        names: (K,) names of these classes.
        words: Training examples (C, W) of each attribute, then of each object; W is 0 where classes are not composed.
        word_names: (W,) names of these words.
        attributes: How many of the words are attributes.
        shift: Jensen-Shannon distance (C,) of the labels to those of all clients; 0 without training examples.
        borders: Columns before which another domain begins.
        note: How clients were grouped into columns; "" where each column is a client, in the given order.
    """

    train: Floats
    test: Floats
    classes: Floats
    names: tuple[str, ...]
    words: Floats
    word_names: tuple[str, ...]
    attributes: int
    shift: Floats
    borders: tuple[int, ...]
    note: str

    @classmethod
    def of(cls, manifest: Manifest) -> Columns:
        """Computes the columns of a partition's figure.

        Args:
            manifest: The partition.

        Returns:
            The columns.
        """
        counts = manifest.train_counts()
        train, test = (
            _table([getattr(c, f"{split}_domains") for c in manifest.clients]) for split in ("train", "test")
        )
        names = [client.domain for client in manifest.clients]
        order = _order(manifest, counts) if len(names) > IN_ORDER else np.arange(len(names))
        each = -(-len(names) // FITTING)
        domains = [names[client] for client in order[::each].tolist()]
        words = count_words(manifest)
        used = np.flatnonzero(counts.any(axis=0)) if words else np.arange(counts.shape[1])
        by_word = np.concatenate([counts[:, :0], *(found.train for found in words)], axis=1)
        return cls(
            train=_average(train[order], each),
            test=_average(test[order], each),
            classes=_average(counts[order][:, used].astype(np.float64), each),
            names=tuple(manifest.classes[label] for label in used),
            words=_average(by_word[order].astype(np.float64), each),
            word_names=tuple(word for found in words for word in found.words),
            attributes=len(words[0].words) if words else 0,
            shift=_average(measure_label_shifts(counts)[order], each),
            borders=tuple(at for at in range(1, len(domains)) if domains[at] != domains[at - 1]),
            note=_note(len(names), each),
        )


def measure_label_shifts(counts: NDArray[np.int64]) -> Floats:
    """Measures how far each client's labels are from the labels of all clients.

    Args:
        counts: Training examples (N, K) of each client and class.

    Returns:
        Jensen-Shannon distances (N,); 0 for a client without examples.
    """
    found = np.zeros(len(counts))
    holding = counts.sum(axis=1) > 0
    found[holding] = label_shift(counts[holding])
    return found


def _order(manifest: Manifest, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clients by domain (mixed ones last), then by largest class, then by the share of that class."""
    places = {name: place for place, name in enumerate(manifest.domains)}
    domains = [places.get(client.domain, len(places)) for client in manifest.clients]
    purity = counts.max(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return np.lexsort((-purity, counts.argmax(axis=1), domains))


def _average(values: Floats, each: int) -> Floats:
    """Means of every `each` consecutive rows; the last mean covers the rest."""
    starts = np.arange(0, len(values), each)
    sizes = np.diff(np.append(starts, len(values)))
    return np.asarray(np.add.reduceat(values, starts, axis=0) / sizes.reshape(-1, *[1] * (values.ndim - 1)))


def _note(clients: int, each: int) -> str:
    if clients <= IN_ORDER:
        return ""
    shared = f"; a column is the mean of {each}" if each > 1 else ""
    return f"{clients:,} clients, ordered by domain and largest class{shared}"


def _table(rows: Sequence[Sequence[int]]) -> Floats:
    return np.array(rows, dtype=np.float64)
