"""Scores of the clients' labels, and the map of the clients by labels.

Counts are (N, K) examples of each of K classes at each of N clients; every client has at least one example.
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
"""Greatest number of pairs for label transport: all pairs of 25 clients; fewer for more than 100 classes."""

LARGE = 1_000_000
"""Entries of a table of counts above which it is dealt only `EXACT_DEALS` times."""


def measure_labels(counts: Counts, numbers: Indices, seed: int) -> MeasuredScores:
    """Measures label shift, label distance and total variation, for which counts are enough.

    Args:
        counts: (N, K) examples.
        numbers: (N,) the clients' numbers.
        seed: Seed of the random deals and of the sample of pairs.

    Returns:
        The scores.
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


def measure_words(part: str, counts: Counts, seed: int) -> MeasuredScores:
    """Measures how the attributes, or the objects, of compositions differ between clients.

    Args:
        part: "attribute" or "object".
        counts: (N, W) examples of each word.
        seed: Seed of the random deals and of the sample of pairs.

    Returns:
        The shift and the distance, as for labels.
    """
    pairs = sample_pairs(len(counts), PAIRS, numpy_generator(seed, f"pairs of {part}s"))

    def measured(dealt: Counts) -> Floats:
        return np.array([labels.label_shift(dealt).mean(), mean(labels.label_distances(dealt, pairs))])

    draws = score_random_counts(measured, counts, DEALS, derive(seed, f"{part}s dealt at random"))
    return MeasuredScores(make_scores((f"{part}_shift", f"{part}_distance"), measured(counts), draws))


def transport_labels(counts: Counts, numbers: Indices, class_features: Floats, seed: int) -> MeasuredScores:
    """Measures the cost of changing one client's labels into another's.

    Args:
        counts: (N, K) examples.
        numbers: (N,) the clients' numbers.
        class_features: (K, D) unit features of the classes; their distances are the costs.
        seed: Seed of the random deals and of the sample of pairs.

    Returns:
        The score.
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
    """Maps the clients by the Hellinger distance of their labels, which is Euclidean.

    Args:
        counts: (N, K) examples.
        numbers: (N,) the clients' numbers.
        seed: Seed of the random deals.

    Returns:
        The map.
    """

    def around(dealt: Counts) -> Floats:
        return measure_radii(labels.hellinger_points(dealt))

    drawn = score_random_counts(around, counts, MAP_DEALS, derive(seed, "maps of labels dealt at random"))
    return make_map("labels", numbers, labels.hellinger_points(counts), drawn)


def score_random_counts(measured: Callable[[Counts], Floats], counts: Counts, deals: int, seed: int) -> Floats:
    """Scores random deals of all labels; clients and classes keep their sizes.

    Args:
        measured: Returns the (S,) scores of (N, K) counts.
        counts: (N, K) examples.
        deals: Number of random deals.
        seed: Seed of the deals.

    Returns:
        (deals, S) scores.
    """
    owners = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    every = np.repeat(np.arange(counts.shape[1]), counts.sum(axis=0))

    def of(owned: Indices) -> Floats:
        dealt = np.bincount(owned * counts.shape[1] + every, minlength=counts.size)
        return measured(dealt.reshape(counts.shape))

    return score_random_deals(of, owners, deals, seed)
