"""Assignment of examples to clients: counts first, then the examples.

A label shift decides how many examples of each class a client gets, as a matrix of whole numbers; the examples are
dealt by that matrix.

Dimensions: K classes, N clients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fedsilo.core import Demand, Floats, Indices, LabelledImages, Share
from fedsilo.core.errors import DataError
from fedsilo.partitioning.dealing.integer_rounding import apportion, apportion_at_least, raise_to_least


def refuse(problems: Sequence[str]) -> None:
    """Raises a DataError if there are problems.

    Args:
        problems: Problems of a partition; all of them come on one line.

    Raises:
        DataError: There is a problem.
    """
    if problems:
        raise DataError("partition: " + " ".join(problems))


def beta_problems(beta: float) -> list[str]:
    """Checks a Dirichlet concentration.

    Args:
        beta: The concentration.

    Returns:
        Problems for `problems` of a component; empty if there are none.
    """
    if math.isfinite(beta) and beta > 0:
        return []
    return [f"beta: must be a finite number above 0, got {beta}. Small is uneven: 0.1 is strong, 100 is nearly even."]


def make_shares(images: LabelledImages, train: Sequence[Indices], test: Sequence[Indices]) -> list[Share]:
    """Makes shares of positions, sorted, each with the name of its domain if it has only one.

    Args:
        images: The data.
        train: (N) training positions of each client.
        test: (N) test positions of each client.

    Returns:
        One share per client.
    """
    shares = []
    for train_part, test_part in zip(train, test, strict=True):
        found = np.union1d(images.train.domains[train_part], images.test.domains[test_part])
        domain = images.domains[found[0]] if len(found) == 1 else ""
        shares.append(Share(np.sort(train_part), np.sort(test_part), domain))
    return shares


def size_problems(pool: Share, demand: Demand) -> list[str]:
    """Checks that a pool is large enough for the least sizes of its clients.

    Args:
        pool: Positions to deal.
        demand: Number of clients and least sizes.

    Returns:
        Problems; empty if there are none.
    """
    here = f" in '{pool.domain}'" if pool.domain else ""
    problems = []
    wanted = (("train", len(pool.train), demand.min_train), ("test", len(pool.test), demand.min_test))
    for split, available, minimum in wanted:
        if available < demand.clients * minimum:
            fit = available // minimum
            problems.append(
                f"{demand.clients} client{'s'[: demand.clients > 1]} with at least {minimum} {split} "
                f"example{'s'[: minimum > 1]} each need {demand.clients * minimum}, there are {available}{here}. "
                + (f"At most {fit} client{'s'[: fit > 1]} fit{'s'[: fit == 1]}." if fit else "No client fits.")
            )
    return problems


def deal_by_counts(
    images: LabelledImages, pool: Share, train: Indices, liking: Floats, demand: Demand, generator: np.random.Generator
) -> list[Share]:
    """Deals a pool by the number of training examples of each class that each client gets.

    Test examples follow the training examples, class by class, so that no client is measured on a class that it does
    not train on. Only if a client would have too few test examples are some moved to it, of its own classes where
    possible.

    Args:
        images: The data.
        pool: Positions to deal; every one goes to exactly one client.
        train: (K, N) training examples; its rows add up to those of the pool.
        liking: (K, N) logarithms, below 0, of how much each client wants of each class: for classes without training
            examples, and to choose what is moved.
        demand: Number of clients and least sizes.
        generator: Random generator of all draws.

    Returns:
        One share per client.
    """
    classes = len(images.classes)
    train_labels, test_labels = images.train.labels[pool.train], images.test.labels[pool.test]
    followed = np.where(train.sum(axis=1, keepdims=True) > 0, train, np.exp(liking - liking.max(axis=1, keepdims=True)))
    sizes = np.bincount(test_labels, minlength=classes)
    test = np.stack([apportion(size, row, generator) for size, row in zip(sizes, followed, strict=True)])
    # Own classes (log counts, >= 0) come before all others (log proportions, < 0).
    wanted = np.where(train > 0, np.log(np.maximum(train, 1)), liking - 1.0)
    test = raise_to_least(test, np.full(demand.clients, demand.min_test), wanted)
    train_parts = _by_counts(pool.train, train_labels, train, generator)
    return make_shares(images, train_parts, _by_counts(pool.test, test_labels, test, generator))


def cut(positions: Indices, sizes: Indices, generator: np.random.Generator) -> list[Indices]:
    """Shuffles positions and cuts them into parts.

    Args:
        positions: (n,) positions.
        sizes: (N,) sizes of the parts.
        generator: Random generator of the shuffle.

    Returns:
        (N) parts.
    """
    return np.split(generator.permutation(positions), np.cumsum(sizes)[:-1])


def apportion_test_sizes(pool: Share, demand: Demand, train: Indices, generator: np.random.Generator) -> Indices:
    """Computes each client's number of test examples, in proportion to its training examples.

    Args:
        pool: Positions to deal.
        demand: Least number of test examples.
        train: (N,) training examples of each client.
        generator: Random generator that breaks ties.

    Returns:
        (N,) test examples.
    """
    return apportion_at_least(demand.min_test, len(pool.test), np.maximum(train, 1e-9), generator)


def thin_out(
    images: LabelledImages, shares: Sequence[Share], demand: Demand, exactly: bool, generator: np.random.Generator
) -> list[Share]:
    """Removes random training images until clients have the requested or proportional sizes.

    It is for label shifts that cannot move an example to another client.

    Args:
        images: The data.
        shares: One per client.
        demand: Its `sizes` are the requested ones.
        exactly: Whether to give exactly these sizes. False: sizes in their proportion, the largest with which some
            client keeps all, and at least `demand.min_train`.
        generator: Random generator of the draws.

    Returns:
        One share per client.

    Raises:
        DataError: A client has fewer images than exactly requested.
    """
    assert demand.sizes is not None
    held = np.array([len(share.train) for share in shares])
    wanted = demand.sizes
    if not exactly:
        scale = (held / np.maximum(wanted, 1)).min()
        wanted = np.maximum(np.round(scale * wanted).astype(np.int64), demand.min_train)
    elif (held < wanted).any():
        client = int((wanted - held).argmax())
        raise DataError(
            f"partition.quantity.of: {wanted[client]} training images are not available for a client that the label "
            f"shift gives {held[client]}. Use a smaller size or another label shift."
        )
    pairs = zip(shares, np.minimum(held, wanted), strict=True)
    train = [generator.permutation(share.train)[:size] for share, size in pairs]
    return make_shares(images, train, [share.test for share in shares])


def _by_counts(positions: Indices, labels: Indices, counts: Indices, generator: np.random.Generator) -> list[Indices]:
    """Deals `positions` so that client n gets counts[k, n] random examples of class k."""
    clients = np.arange(counts.shape[1])
    drawn = [generator.permutation(positions[labels == label]) for label in range(len(counts))]
    holders = np.concatenate([np.repeat(clients, row) for row in counts])
    return np.split(np.concatenate(drawn)[np.argsort(holders, kind="stable")], np.cumsum(counts.sum(axis=0))[:-1])
