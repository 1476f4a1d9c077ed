"""Scores of the clients' image features, sliced and exact, and the map of the clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.seeds import derive, numpy_generator
from fedsilo.partitioning.heterogeneity import exact_transport as transport
from fedsilo.partitioning.heterogeneity import sliced_wasserstein as slicing
from fedsilo.partitioning.heterogeneity.client_embedding import ClientMap, measure_radii
from fedsilo.partitioning.heterogeneity.measured_sample import ImageSample, sample_pairs
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

EXACT_PAIRS = 66
"""Greatest number of pairs for exact distances between images: all pairs of 12 clients."""

EXACT_IMAGES = 48
"""Greatest number of images per client in an exact distance."""


@dataclass(frozen=True, eq=False, slots=True)
class SampleFeatures:
    """Features of sampled training images by a backbone.

    Attributes:
        backbone: Name of the backbone.
        sample: The images and their clients.
        features: (n, D) pooled, not normalised.
        labels: (n,) classes.
        class_features: (K, D) features of the classes' hand-written prompts, not necessarily normalised.
    """

    backbone: str
    sample: ImageSample
    features: NDArray[np.float32]
    labels: Indices
    class_features: NDArray[np.float32]


class SlicedDistances:
    """Sliced distances between the clients of a sample."""

    def __init__(self, sample_features: SampleFeatures, seed: int) -> None:
        """Projects the features; `seed` is for the random deals and the sample of pairs."""
        along = slicing.directions(sample_features.features.shape[1])
        self._projected = slicing.project(normalize_rows(sample_features.features), along)
        self._sample, self._seed = sample_features.sample, seed
        self._points = self._of(sample_features.sample.owners)

    def measure(self) -> MeasuredScores:
        """Measures the distances between the clients."""

        def measured(owners: Indices) -> Floats:
            return np.array([slicing.root_mean_square(self._of(owners))])

        numbers = self._sample.clients
        pairs = sample_pairs(len(numbers), PAIRS, numpy_generator(self._seed, "pairs of features"))
        draws = score_random_deals(measured, self._sample.owners, DEALS, derive(self._seed, "features dealt at random"))
        scores = make_scores(("feature_sliced",), measured(self._sample.owners), draws)
        return MeasuredScores(
            scores, (make_pairwise("feature_sliced", numbers, pairs, slicing.distances(self._points, pairs)),)
        )

    def shift(self) -> Floats:
        """Returns the (N,) distance of each sampled client to the barycentre of all."""
        return slicing.to_centre(self._points)

    def map(self) -> ClientMap:
        """Maps the sampled clients."""
        deal_seed = derive(self._seed, "maps of features dealt at random")
        drawn = score_random_deals(
            lambda owners: measure_radii(self._of(owners)), self._sample.owners, MAP_DEALS, deal_seed
        )
        return make_map("features", self._sample.clients, self._points, drawn)

    def _of(self, owners: Indices) -> Floats:
        return slicing.quantile_points(self._projected, owners, len(self._sample.clients))


def measure_exactly(sample_features: SampleFeatures, seed: int) -> tuple[MeasuredScores, ...]:
    """Solves transport between few pairs of clients with few images each: of features alone, and with labels.

    Args:
        sample_features: Features of the sampled images.
        seed: Seed of the random deals and of the sample of pairs.

    Returns:
        The scores of both distances; empty if there is no pair of clients.
    """
    sample = sample_features.sample
    pairs = sample_pairs(len(sample.clients), EXACT_PAIRS, numpy_generator(seed, "pairs of exact transport"))
    rows = _few_of_each(sample.owners, np.unique(pairs))
    features, labels, owners = (
        normalize_rows(sample_features.features[rows]),
        sample_features.labels[rows],
        sample.owners[rows],
    )

    def plain(owned: Indices) -> Floats:
        found = [transport.wasserstein(features[owned == one], features[owned == other]) for one, other in pairs]
        return np.array(found, dtype=np.float64)

    def labelled(owned: Indices) -> Floats:
        groups = transport.ClassGaussians(features, labels, owned)
        return np.array([groups.distance(one, other) for one, other in pairs.tolist()], dtype=np.float64)

    def part(name: str, between: Callable[[Indices], Floats]) -> MeasuredScores:
        values = between(owners)
        deal_seed = derive(seed, f"{name} dealt at random")
        draws = score_random_deals(lambda owned: np.array([mean(between(owned))]), owners, EXACT_DEALS, deal_seed)
        scores = make_scores((name,), np.array([mean(values)]), draws)
        return MeasuredScores(scores, (make_pairwise(name, sample.clients, pairs, values),))

    if not len(pairs):
        return ()
    return part("feature_transport", plain), part("labelled_transport", labelled)


def normalize_rows(features: NDArray[np.float32]) -> Floats:
    """Scales features to length 1.

    Args:
        features: (n, D) features.

    Returns:
        (n, D) features in double precision.
    """
    found = features.astype(np.float64)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))


def _few_of_each(owners: Indices, clients: Indices) -> Indices:
    """Rows of the clients' images, ascending: `EXACT_IMAGES` evenly spaced ones where a client has more."""
    parts = [np.empty(0, dtype=np.int64)]
    for client in clients.tolist():
        rows = np.flatnonzero(owners == client)
        parts.append(rows[np.linspace(0, len(rows) - 1, min(len(rows), EXACT_IMAGES)).astype(np.int64)])
    return np.concatenate(parts)
