"""Whole numbers in proportion: numbers of examples by class and client.

Minimum sizes and exact sizes are met by moving counts, so nothing is drawn again.

Dimensions: K classes, N clients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Floats, Indices

SWEEPS = 200
"""Greatest number of scalings of rows and columns; remaining differences are moved in whole examples."""

FAINTEST = 1e-9
"""Least weight of a liking relative to the client's strongest one, so that every margin can be met."""


def draw_log_dirichlet(rows: int, columns: int, beta: float | Floats, generator: np.random.Generator) -> Floats:
    """Draws logarithms of Dirichlet vectors.

    Gamma(beta) equals Gamma(beta + 1) U^(1/beta); in logarithms it never underflows, so that even at beta 0.001 every
    column prefers some rows to others.

    Args:
        rows: Number of draws.
        columns: Length of each draw.
        beta: Concentration, or (columns,) concentrations.
        generator: Random generator of the draws.

    Returns:
        (rows, columns) logarithms.
    """
    draws = generator.standard_gamma(beta + 1.0, (rows, columns))
    logs: Floats = np.log(draws) + np.log1p(-generator.random((rows, columns))) / beta
    top = logs.max(axis=1, keepdims=True)
    return np.asarray(logs - top - np.log(np.exp(logs - top).sum(axis=1, keepdims=True)))


def apportion(total: int, weights: NDArray[np.generic], generator: np.random.Generator) -> Indices:
    """Divides a total in proportion to weights, by largest remainders.

    Args:
        total: Sum of the result.
        weights: (N,) proportions, >= 0.
        generator: Random generator that breaks ties.

    Returns:
        (N,) whole numbers.
    """
    quotas = total * weights / weights.sum()
    counts = np.floor(quotas).astype(np.int64)
    # Ties are broken at random; by position, clients with low numbers would always gain.
    order = np.lexsort((generator.random(len(quotas)), counts - quotas))
    counts[order[: total - counts.sum()]] += 1
    return np.asarray(counts)


def apportion_at_least(minimum: int, total: int, weights: Floats, generator: np.random.Generator) -> Indices:
    """Divides a total in proportion to weights, as nearly as a minimum allows.

    Args:
        minimum: Least number; N times it is at most `total`.
        total: Sum of the result.
        weights: (N,) proportions, above 0.
        generator: Random generator that breaks ties.

    Returns:
        (N,) whole numbers.
    """
    counts = apportion(total, weights, generator)
    return np.asarray(raise_to_least(counts[None], np.full(len(counts), minimum), np.zeros((1, len(counts))))[0])


def apportion_within(capacities: Indices, total: int, weights: Floats, generator: np.random.Generator) -> Indices:
    """Divides a total in proportion to weights, as nearly as capacities allow.

    Args:
        capacities: (N,) greatest numbers.
        total: Sum of the result.
        weights: (N,) proportions.
        generator: Random generator that breaks ties.

    Returns:
        (N,) whole numbers.
    """
    counts = np.minimum(apportion(total, weights, generator), capacities)
    lacking = total - int(counts.sum())
    return counts + apportion(lacking, capacities - counts, generator) if lacking else counts


def raise_to_least(counts: Indices, least: Indices, liking: Floats) -> Indices:
    """Raises clients to a minimum by moving one example at a time.

    A client with too few examples takes one of the class that it likes best, from the client with most of that class
    among those above their own minimum. If the total suffices, such a client exists; if it just suffices, every client
    ends with its minimum.

    Args:
        counts: (K, N) examples.
        least: (N,) minimum of each client.
        liking: (K, N) how much each client wants of each class.

    Returns:
        (K, N) examples.
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
    """Computes whole numbers with given sums of rows and columns, as near to the likings as possible.

    The nearest matrix in relative entropy with these margins is found by scaling rows and columns in turn (Deming and
    Stephan, 1940; Sinkhorn). It is rounded by largest remainders in each row; then what a column lacks is moved to it.

    Args:
        liking: (K, N) logarithms of how much each client wants of each class.
        rows: (K,) examples of each class.
        columns: (N,) sizes of the clients; with the same sum.
        generator: Random generator that breaks ties.

    Returns:
        (K, N) whole numbers.
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
    """(K, N) likings scaled approximately to these sums of rows and columns."""
    prior = np.maximum(np.exp(liking - liking.max(axis=0)), FAINTEST)
    by_column = np.where(columns > 0, 1.0, 0.0)
    for _ in range(SWEEPS):
        by_row = rows / (prior @ by_column)
        reached = prior.T @ by_row
        by_column = columns / reached
        if np.abs(prior @ by_column * by_row - rows).max() < 0.1:
            break
    return np.asarray(prior * by_row[:, None] * by_column)
