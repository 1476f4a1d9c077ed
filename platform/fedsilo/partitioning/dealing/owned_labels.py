"""Dealing by owners: each label has one owner, or belongs to all clients.

Dimensions: S labels (seen pairs), N clients.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedsilo.core import Demand, Indices, LabelledImages, Share
from fedsilo.core.data import Pairs
from fedsilo.core.errors import DataError
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.integer_rounding import apportion

FOREIGN = -1e9
"""Logarithm of how much a client wants of a label that it does not own."""

ALL = -1
"""Owner of a label that belongs to all clients."""


def require_pairs(images: LabelledImages, shift: str) -> Pairs:
    """Returns the pairs of compositions.

    Args:
        images: The data.
        shift: Name of the label shift that needs them.

    Returns:
        The pairs.

    Raises:
        DataError: The data has no pairs.
    """
    if images.pairs is None:
        raise DataError(
            f"partition.label: '{shift}' needs attributes and objects, and this data has none. Use data of "
            "compositions, such as emblems_pairs, or the label shift 'classes'."
        )
    return images.pairs


def draw_owners(count: int, clients: int, what: str, generator: np.random.Generator) -> Indices:
    """Draws one owner for each of some things, in groups that differ by one at most.

    Args:
        count: Number of things.
        clients: Number of clients, N.
        what: The things, for messages, for example "attributes".
        generator: Random generator of the draw.

    Returns:
        (count,) owner of each, in [0, N).

    Raises:
        DataError: There are more clients than things.
    """
    if clients > count:
        raise DataError(
            f"partition.clients: {clients} clients cannot own disjoint groups of {count} {what}. Use at most {count} "
            "clients, or the label shift 'dirichlet'."
        )
    owners = np.empty(count, dtype=np.int64)
    for client, group in enumerate(np.array_split(generator.permutation(count), clients)):
        owners[group] = client
    return owners


def deal_to_owners(
    images: LabelledImages,
    pool: Share,
    owners: Indices,
    names: Sequence[str],
    demand: Demand,
    generator: np.random.Generator,
) -> list[Share]:
    """Deals every owner all examples of its labels, and all clients equal parts of the others.

    Test examples follow the training examples; a client with too few is dealt some of other clients' labels.

    Args:
        images: The data.
        pool: Positions to deal.
        owners: (S,) owner of each label, or `ALL`.
        names: (N,) what each client owns, for messages.
        demand: Number of clients and least sizes.
        generator: Random generator of the draws.

    Returns:
        One share per client.

    Raises:
        DataError: A client's own labels have too few training examples.
    """
    sizes = np.bincount(images.train.labels[pool.train], minlength=len(owners))
    own = owners[:, None] == np.arange(demand.clients)
    counts = np.where(own, sizes[:, None], 0)
    for label in np.flatnonzero(owners == ALL):
        counts[label] = apportion(sizes[label], np.ones(demand.clients), generator)
    held, least = counts.sum(axis=0), max(1, demand.min_train)
    poor = [f"client {client} ({names[client]}): {held[client]}" for client in np.flatnonzero(held < least).tolist()]
    if poor:
        here = f" in '{pool.domain}'" if pool.domain else ""
        raise DataError(
            f"partition.label: fewer than {least} training images{here} of what a client owns: {'; '.join(poor[:5])}"
            f"{f' and {len(poor) - 5} others' * (len(poor) > 5)}. Use fewer clients or lower partition.min_train."
        )
    liking = np.where(own, -1.0, FOREIGN)
    return assignment.deal_by_counts(images, pool, counts, liking, demand, generator)


def name_owned(owners: Indices, words: Sequence[str], clients: int) -> list[str]:
    """Names what each client owns.

    Args:
        owners: (n,) owner of each word, or `ALL`.
        words: (n,) the words.
        clients: Number of clients.

    Returns:
        (clients,) texts, for example "red, blue and 3 more".
    """
    texts = []
    for client in range(clients):
        own = [word for word, owner in zip(words, owners, strict=True) if owner in (client, ALL)]
        more = f" and {len(own) - 3} more" if len(own) > 3 else ""
        texts.append(", ".join(own[:3]) + more)
    return texts
