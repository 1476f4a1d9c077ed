"""What the columns of a partition's picture are: each client one, or many clients in a meaningful order, averaged.

Dimensions: N clients, C columns, K classes, D domains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.partitioning.heterogeneity import label_shift
from fedsilo.partitioning.manifest import Manifest

Floats = NDArray[np.float64]

IN_ORDER = 150
"""Clients up to which each keeps its place; more are put in order, or nothing could be seen."""

FITTING = 600
"""Columns that fit a page, about three pixels each; more clients share them."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What is drawn, column by column.

    Attributes:
        train: (C, D) training examples of each domain, the mean of a column's clients.
        test: (C, D) test examples of each domain.
        classes: (C, K) training examples of each class.
        shift: (C,) Jensen-Shannon distance of the labels to those of all clients; 0 without training examples.
        borders: Columns before which another domain begins.
        note: How clients became columns; "" where each is one, in its own order.
    """

    train: Floats
    test: Floats
    classes: Floats
    shift: Floats
    borders: tuple[int, ...]
    note: str

    @classmethod
    def of(cls, manifest: Manifest) -> Columns:
        """The columns of a manifest's picture."""
        counts = manifest.train_counts()
        train, test = (
            _table([getattr(c, f"{split}_domains") for c in manifest.clients]) for split in ("train", "test")
        )
        names = [client.domain for client in manifest.clients]
        order = _order(manifest, counts) if len(names) > IN_ORDER else np.arange(len(names))
        each = -(-len(names) // FITTING)
        domains = [names[client] for client in order[::each].tolist()]
        return cls(
            train=_averaged(train[order], each),
            test=_averaged(test[order], each),
            classes=_averaged(counts[order].astype(np.float64), each),
            shift=_averaged(shifts(counts)[order], each),
            borders=tuple(at for at in range(1, len(domains)) if domains[at] != domains[at - 1]),
            note=_note(len(names), each),
        )


def shifts(counts: NDArray[np.int64]) -> Floats:
    """(N,) Jensen-Shannon distances of (N, K) clients' labels to those of all; 0 for a client without examples."""
    found = np.zeros(len(counts))
    holding = counts.sum(axis=1) > 0
    found[holding] = label_shift(counts[holding])
    return found


def _order(manifest: Manifest, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clients by domain (mixed ones last), then by their largest class, then by how much of them it is."""
    places = {name: place for place, name in enumerate(manifest.domains)}
    domains = [places.get(client.domain, len(places)) for client in manifest.clients]
    purity = counts.max(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return np.lexsort((-purity, counts.argmax(axis=1), domains))


def _averaged(values: Floats, each: int) -> Floats:
    """Means of every `each` rows that follow each other; the last mean is of what is left."""
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
