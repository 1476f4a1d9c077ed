"""Handing examples out to clients: counts first, then the examples.

A rule decides how many examples of each class a client gets, as a matrix of whole numbers; the examples are dealt by
that matrix. Minimum sizes are met by moving counts, so nothing is ever drawn again until it happens to fit.

Dimensions: K classes, N clients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.contracts import Indices, LabelledImages, Share
from fedsilo.errors import DataError

MIN_TEST = 1  # a client that cannot be measured has no row in any table


@dataclass(frozen=True, slots=True)
class Spread:
    """How classes are spread over clients.

    Attributes:
        clients: Number of clients, N.
        beta: Concentration of the Dirichlet distribution, > 0.
        min_train: Training examples that each client gets at the least.
        min_test: Test examples that each client gets at the least, >= 1.
        capped: Whether a client that holds an equal share of the training examples gets none of the classes that
            follow.
    """

    clients: int
    beta: float
    min_train: int = 1
    min_test: int = MIN_TEST
    capped: bool = False


def refuse(problems: Sequence[str]) -> None:
    """Raises a DataError with all `problems` of a partition on one line, if there are any."""
    if problems:
        raise DataError("partition: " + " ".join(problems))


def count_problems(key: str, count: int) -> list[str]:
    """What is impossible in a count that must be 1 or more, as lines for `Partition.problems`."""
    return [] if count >= 1 else [f"{key}: must be at least 1, got {count}."]


def beta_problems(beta: float) -> list[str]:
    """What is impossible in a Dirichlet concentration, as lines for `Partition.problems`."""
    if math.isfinite(beta) and beta > 0:
        return []
    return [f"beta: must be a finite number above 0, got {beta}. Small is uneven: 0.1 is strong, 100 is nearly even."]


def everything(images: LabelledImages) -> Share:
    """All positions of both splits, as one share."""
    every = Share(train=np.arange(len(images.train)), test=np.arange(len(images.test)))
    return named(images, [every.train], [every.test])[0]


def by_domain(images: LabelledImages) -> list[Share]:
    """One share per domain, in domain order; a domain without images gives an empty one."""
    return [
        Share(np.flatnonzero(images.train.domains == number), np.flatnonzero(images.test.domains == number), name)
        for number, name in enumerate(images.domains)
    ]


def named(images: LabelledImages, train: Sequence[Indices], test: Sequence[Indices]) -> list[Share]:
    """Makes shares of positions, sorted, each with the name of its domain if it has just one."""
    shares = []
    for train_part, test_part in zip(train, test, strict=True):
        found = np.union1d(images.train.domains[train_part], images.test.domains[test_part])
        domain = images.domains[found[0]] if len(found) == 1 else ""
        shares.append(Share(np.sort(train_part), np.sort(test_part), domain))
    return shares


def size_problems(pool: Share, clients: int, min_train: int = 1, min_test: int = MIN_TEST) -> list[str]:
    """Why `pool` cannot serve `clients` with at least so many training and test examples each."""
    here = f" in domain '{pool.domain}'" if pool.domain else ""
    problems = []
    for split, available, minimum in (("train", len(pool.train), min_train), ("test", len(pool.test), min_test)):
        if available < clients * minimum:
            problems.append(
                f"{clients} clients with at least {minimum} {split} example{'s'[: minimum > 1]} each need "
                f"{clients * minimum}, there are {available}{here}. "
                + (f"At most {available // minimum} clients fit." if available >= minimum else "No client fits.")
            )
    return problems


def dirichlet_deal(images: LabelledImages, pool: Share, spread: Spread, generator: np.random.Generator) -> list[Share]:
    """Deals `pool` so that each class falls to the clients in proportions drawn from Dir(beta, ..., beta).

    Test examples follow the training examples that a client really got, class by class, so that nobody is measured on
    a class of which it has none; only when a client would have too few test examples are some moved to it, of its
    own classes where any can be spared. The caller has made sure that the pool is large enough.

    Args:
        images: The data.
        pool: Positions to deal; every one goes to exactly one client.
        spread: How.
        generator: Where all draws come from.
    """
    classes = len(images.classes)
    train_labels, test_labels = images.train.labels[pool.train], images.test.labels[pool.test]
    train_sizes, test_sizes = (np.bincount(labels, minlength=classes) for labels in (train_labels, test_labels))

    liking = _log_dirichlet(classes, spread.clients, spread.beta, generator)
    with np.errstate(divide="ignore"):
        wanted = liking + np.log(train_sizes)[:, None]
    train = _raise_to(spread.min_train, _class_by_class(train_sizes, liking, spread.capped, generator), wanted)

    followed = np.where(train_sizes[:, None] > 0, train, np.exp(liking))
    test = np.stack([_apportion(size, row, generator) for size, row in zip(test_sizes, followed, strict=True)])
    # Own classes (log counts, at least 0) come before all others (log proportions, below 0).
    test = _raise_to(spread.min_test, test, np.where(train > 0, np.log(np.maximum(train, 1)), liking - 1.0))

    train_parts = _deal(pool.train, train_labels, train, generator)
    return named(images, train_parts, _deal(pool.test, test_labels, test, generator))


def _log_dirichlet(classes: int, clients: int, beta: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """(K, N) logarithms of K draws from Dir(beta, ..., beta).

    Gamma(beta) equals Gamma(beta + 1) U^(1/beta); taken in logs it never underflows, so that even at beta 0.001 every
    client has classes that it likes better than others.
    """
    draws = generator.standard_gamma(beta + 1.0, (classes, clients))
    logs: NDArray[np.float64] = np.log(draws) + np.log1p(-generator.random((classes, clients))) / beta
    top = logs.max(axis=1, keepdims=True)
    return np.asarray(logs - top - np.log(np.exp(logs - top).sum(axis=1, keepdims=True)))


def _class_by_class(
    sizes: Indices, liking: NDArray[np.float64], capped: bool, generator: np.random.Generator
) -> Indices:
    """(K, N) training examples of each class for each client, class 0 first, by (K, N) log proportions."""
    clients = liking.shape[1]
    held = np.zeros(clients, dtype=np.int64)
    counts = []
    for size, row in zip(sizes, liking, strict=True):
        weights = np.exp(row)
        wanting = held * clients < sizes.sum()
        if capped and wanting.any():
            # By the largest of those left: all of their proportions may be too small for a float.
            weights = np.exp(np.where(wanting, row - row[wanting].max(), -np.inf))
        counts.append(_apportion(size, weights, generator))
        held += counts[-1]
    return np.stack(counts)


def _apportion(total: int, weights: NDArray[np.generic], generator: np.random.Generator) -> Indices:
    """(N,) whole numbers that add up to `total`, in proportion to `weights` by largest remainders."""
    quotas = total * weights / weights.sum()
    counts = np.floor(quotas).astype(np.int64)
    # Ties are broken at random: by position, low-numbered clients would always gain.
    order = np.lexsort((generator.random(len(quotas)), counts - quotas))
    counts[order[: total - counts.sum()]] += 1
    return np.asarray(counts)


def _raise_to(minimum: int, counts: Indices, liking: NDArray[np.float64]) -> Indices:
    """(K, N) `counts` with at least `minimum` per client, one example moved at a time.

    A client in want takes of the class it likes best, from whoever has most of it and more than the minimum in all.
    Since the total suffices, somebody always has.
    """
    counts = counts.copy()
    totals = counts.sum(axis=0)
    for client in np.flatnonzero(totals < minimum):
        for label in np.argsort(-liking[:, client], kind="stable"):
            while totals[client] < minimum:
                spare = np.where(totals > minimum, counts[label], 0)
                donor = spare.argmax()
                if not spare[donor]:
                    break
                counts[label, donor] -= 1
                counts[label, client] += 1
                totals[donor] -= 1
                totals[client] += 1
    return counts


def _deal(positions: Indices, labels: Indices, counts: Indices, generator: np.random.Generator) -> list[Indices]:
    """Deals `positions` so that client n gets counts[k, n] examples of class k, drawn at random."""
    parts: list[list[Indices]] = [[] for _ in range(counts.shape[1])]
    for label, row in enumerate(counts):
        drawn = generator.permutation(positions[labels == label])
        for part, piece in zip(parts, np.split(drawn, np.cumsum(row)[:-1]), strict=True):
            part.append(piece)
    return [np.concatenate(part) for part in parts]
