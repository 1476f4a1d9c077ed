"""Whole numbers in proportion: how many examples of each class go to which client.

Minimum sizes and exact sizes are met by moving counts, so nothing is ever drawn again until it happens to fit.

Dimensions: K classes, N clients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Floats, Indices

SWEEPS = 200
"""Scalings of rows and columns; what is still off then is moved in whole examples."""

FAINTEST = 1e-9
"""The least that a liking counts beside a client's favourite, so that every margin can be met."""


def draw_log_dirichlet(rows: int, columns: int, beta: float | Floats, generator: np.random.Generator) -> Floats:
    """(rows, columns) logarithms of draws from Dir(beta, ..., beta), or by (columns,) betas, one per row.

    Gamma(beta) equals Gamma(beta + 1) U^(1/beta); taken in logs it never underflows, so that even at beta 0.001 every
    column has rows that it likes better than others.
    """
    draws = generator.standard_gamma(beta + 1.0, (rows, columns))
    logs: Floats = np.log(draws) + np.log1p(-generator.random((rows, columns))) / beta
    top = logs.max(axis=1, keepdims=True)
    return np.asarray(logs - top - np.log(np.exp(logs - top).sum(axis=1, keepdims=True)))


def apportion(total: int, weights: NDArray[np.generic], generator: np.random.Generator) -> Indices:
    """(N,) whole numbers that add up to `total`, in proportion to `weights` by largest remainders."""
    quotas = total * weights / weights.sum()
    counts = np.floor(quotas).astype(np.int64)
    # Ties are broken at random: by position, low-numbered clients would always gain.
    order = np.lexsort((generator.random(len(quotas)), counts - quotas))
    counts[order[: total - counts.sum()]] += 1
    return np.asarray(counts)


def apportion_at_least(minimum: int, total: int, weights: Floats, generator: np.random.Generator) -> Indices:
    """(N,) whole numbers of `minimum` or more that add up to `total`, as near to proportion as that allows.

    Args:
        minimum: The least of them; N times it is at most `total`.
        total: Their sum.
        weights: (N,) proportions, above 0.
        generator: Breaks ties.
    """
    counts = apportion(total, weights, generator)
    return np.asarray(raise_to_least(counts[None], np.full(len(counts), minimum), np.zeros((1, len(counts))))[0])


def apportion_within(capacities: Indices, total: int, weights: Floats, generator: np.random.Generator) -> Indices:
    """(N,) whole numbers up to `capacities` (N,) that add up to `total`, as near to proportion as that allows."""
    counts = np.minimum(apportion(total, weights, generator), capacities)
    lacking = total - int(counts.sum())
    return counts + apportion(lacking, capacities - counts, generator) if lacking else counts


def raise_to_least(counts: Indices, least: Indices, liking: Floats) -> Indices:
    """(K, N) `counts` with at least `least` (N,) per client, one example moved at a time.

    A client in want takes of the class it likes best, from whoever has most of it and more than its own least in all.
    Where the total suffices, somebody always has. Where it is just enough, everybody has exactly `least`.
    """
    counts = counts.copy()
    totals = counts.sum(axis=0)
    for client in np.flatnonzero(totals < least):
        for label in np.argsort(-liking[:, client], kind="stable"):
            while totals[client] < least[client]:
                spare = np.where(totals > least, counts[label], 0)
                donor = spare.argmax()
                if not spare[donor]:
                    break
                counts[label, donor] -= 1
                counts[label, client] += 1
                totals[donor] -= 1
                totals[client] += 1
            if totals[client] >= least[client]:
                break
    return counts


def fit_margins(liking: Floats, rows: Indices, columns: Indices, generator: np.random.Generator) -> Indices:
    """(K, N) whole numbers with exactly these sums of rows and columns, as like `liking` as they can be.

    The nearest matrix in relative entropy to the likings with these margins is found by scaling rows and columns in
    turn (Deming and Stephan, 1940; Sinkhorn); it is rounded by largest remainders in each row, and what a column then
    lacks is moved to it.

    Args:
        liking: (K, N) logarithms of how much each client wants of each class.
        rows: (K,) examples of each class.
        columns: (N,) sizes of the clients; the same sum.
        generator: Breaks ties.
    """
    if not rows.sum():
        return np.zeros(liking.shape, dtype=np.int64)
    expected = _scale(liking, rows.astype(np.float64), columns.astype(np.float64))
    counts = np.stack(
        [
            apportion(size, row, generator) if size else np.zeros(len(row), np.int64)
            for size, row in zip(rows, expected, strict=True)
        ]
    )
    return raise_to_least(counts, columns, liking)


def _scale(liking: Floats, rows: Floats, columns: Floats) -> Floats:
    """(K, N) the likings scaled to these sums of rows and columns, nearly."""
    prior = np.maximum(np.exp(liking - liking.max(axis=0)), FAINTEST)
    by_column = np.where(columns > 0, 1.0, 0.0)
    for _ in range(SWEEPS):
        by_row = rows / (prior @ by_column)
        reached = prior.T @ by_row
        by_column = columns / reached
        if np.abs(prior @ by_column * by_row - rows).max() < 0.1:
            break
    return np.asarray(prior * by_row[:, None] * by_column)
