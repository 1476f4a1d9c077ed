"""Scores of the clients' labels, and their map.

Counts are (N, K) examples of each of K classes at each of N clients, every client with at least one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fedsilo.core.seeds import derive, numpy_generator
from fedsilo.partitioning.heterogeneity import exact_transport as transport
from fedsilo.partitioning.heterogeneity import label_distances as labels
from fedsilo.partitioning.heterogeneity.client_embedding import ClientMap, measure_radii
from fedsilo.partitioning.heterogeneity.label_distances import Counts
from fedsilo.partitioning.heterogeneity.measured_sample import sample_pairs
from fedsilo.partitioning.heterogeneity.null_scores import score_random_deals
from fedsilo.partitioning.heterogeneity.score_parts import (
    DEALS,
    EXACT_DEALS,
    MAP_DEALS,
    PAIRS,
    Floats,
    Indices,
    MeasuredScores,
    make_map,
    make_pairwise,
    make_scores,
    mean,
)

TRANSPORTED_PAIRS = 300
"""Pairs of an earth mover's distance between labels: all of 25 clients; fewer for more than 100 classes."""

LARGE = 1_000_000
"""Entries of a table of counts beyond which it is dealt `EXACT_DEALS` times only."""


def measure_labels(counts: Counts, numbers: Indices, seed: int) -> MeasuredScores:
    """Measures what the counts alone tell.

    Args:
        counts: (N, K) examples.
        numbers: (N,) the clients' numbers.
        seed: Of the random deals and of the sample of pairs.
    """
    pairs = sample_pairs(len(counts), PAIRS, numpy_generator(seed, "pairs of labels"))

    def measured(dealt: Counts) -> Floats:
        between = mean(labels.label_distances(dealt, pairs))
        return np.array([labels.label_shift(dealt).mean(), between, labels.mean_total_variation(dealt)])

    names = ("label_shift", "label_distance", "label_total_variation")
    deals = DEALS if counts.size <= LARGE else EXACT_DEALS
    draws = score_random_counts(measured, counts, deals, derive(seed, "labels dealt at random"))
    between = make_pairwise("label_distance", numbers, pairs, labels.label_distances(counts, pairs))
    return MeasuredScores(make_scores(names, measured(counts), draws), (between,))


def transport_labels(counts: Counts, numbers: Indices, class_features: Floats, seed: int) -> MeasuredScores:
    """Measures what it costs to turn one client's labels into another's.

    Args:
        counts: (N, K) examples.
        numbers: (N,) the clients' numbers.
        class_features: (K, D) unit features of the classes; one class costs another their distance.
        seed: Of the random deals and of the sample of pairs.
    """
    limit = max(10, int(TRANSPORTED_PAIRS * min(1.0, 100 / counts.shape[1]) ** 2))
    pairs = sample_pairs(len(counts), limit, numpy_generator(seed, "pairs of transported labels"))
    costs = transport.class_costs(class_features)

    def between(dealt: Counts) -> Floats:
        return transport.earth_movers(labels.distributions(dealt), pairs, costs)

    def measured(dealt: Counts) -> Floats:
        return np.array([mean(between(dealt))])

    draws = score_random_counts(measured, counts, EXACT_DEALS, derive(seed, "transported labels dealt at random"))
    values = between(counts)
    scores = make_scores(("label_transport",), np.array([mean(values)]), draws)
    return MeasuredScores(scores, (make_pairwise("label_transport", numbers, pairs, values),))


def map_labels(counts: Counts, numbers: Indices, seed: int) -> ClientMap:
    """Maps the clients by the Hellinger distance of their labels, which is Euclidean."""

    def around(dealt: Counts) -> Floats:
        return measure_radii(labels.hellinger_points(dealt))

    drawn = score_random_counts(around, counts, MAP_DEALS, derive(seed, "maps of labels dealt at random"))
    return make_map("labels", numbers, labels.hellinger_points(counts), drawn)


def score_random_counts(measured: Callable[[Counts], Floats], counts: Counts, deals: int, seed: int) -> Floats:
    """(deals, S) scores when all labels are dealt again; clients keep their sizes, and classes theirs."""
    owners = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    every = np.repeat(np.arange(counts.shape[1]), counts.sum(axis=0))

    def of(owned: Indices) -> Floats:
        dealt = np.bincount(owned * counts.shape[1] + every, minlength=counts.size)
        return measured(dealt.reshape(counts.shape))

    return score_random_deals(of, owners, deals, seed)
