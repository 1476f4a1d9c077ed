"""Measurement of a partition: labels and sizes from its manifest, features from a sample of its training images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fedsilo.core.seeds import numpy_generator
from fedsilo.partitioning.heterogeneity import label_distances as labels
from fedsilo.partitioning.heterogeneity.image_scores import (
    EXACT_PAIRS,
    SampleFeatures,
    SlicedDistances,
    measure_exactly,
    normalize_rows,
)
from fedsilo.partitioning.heterogeneity.label_scores import map_labels, measure_labels, measure_words, transport_labels
from fedsilo.partitioning.heterogeneity.measured_sample import ImageSample, sample_images
from fedsilo.partitioning.heterogeneity.score_parts import PAIRS, align_to_clients
from fedsilo.partitioning.heterogeneity.scores import Scores, SizeSummary
from fedsilo.partitioning.heterogeneity.size_scores import effective_clients, gini
from fedsilo.partitioning.manifest import Manifest
from fedsilo.partitioning.word_counts import count_words

IMAGES = 1000
"""Default number of images with measured features."""


def choose_images(manifest: Manifest, limit: int = IMAGES) -> ImageSample:
    """Samples training images, the same ones for the same partition and seed.

    Args:
        manifest: The partition.
        limit: Greatest number of images.

    Returns:
        The sample.
    """
    generator = numpy_generator(manifest.seed, "images to measure")
    return sample_images([client.train for client in manifest.clients], limit, generator)


def measure(manifest: Manifest, sample_features: SampleFeatures | None, why_not: str = "") -> Scores:
    """Computes the scores of a partition that has at least one training example.

    Args:
        manifest: The partition.
        sample_features: Features of `choose_images`; None measures labels and sizes only.
        why_not: Why there are no features, for a note.

    Returns:
        The scores.
    """
    # One thread, because matrices are small and sums would depend on the number of threads.
    with threadpool_limits(1, "blas"):
        return _measure(manifest, sample_features, why_not)


def _measure(manifest: Manifest, sample_features: SampleFeatures | None, why_not: str) -> Scores:
    counts, seed = manifest.train_counts(), manifest.seed
    numbers = np.flatnonzero(counts.sum(axis=1) > 0)
    words = count_words(manifest)
    # In the open world most pairs have no training image, and costs of classes are a square table.
    used = counts.any(axis=0) if words else np.ones(counts.shape[1], dtype=bool)
    held, clients = counts[numbers][:, used], len(counts)
    parts = [measure_labels(held, numbers, seed)]
    parts += [measure_words(found.part, found.train[numbers], seed) for found in words]
    shift: tuple[float | None, ...] = (None,) * clients
    if sample_features is None:
        map = map_labels(held, numbers, seed)
    else:
        sliced = SlicedDistances(sample_features, seed)
        features = normalize_rows(sample_features.class_features[used])
        parts.append(transport_labels(held, numbers, features, seed))
        parts += [sliced.measure(), *measure_exactly(sample_features, seed)]
        shift = align_to_clients(clients, sample_features.sample.clients, sliced.shift())
        map = sliced.map()
    return Scores(
        split_sha256=manifest.split_sha256,
        clients=clients,
        backbone=sample_features.backbone if sample_features else "",
        images=len(sample_features.labels) if sample_features else 0,
        sizes=_summarize_sizes(counts.sum(axis=1)),
        scores=tuple(score for part in parts for score in part.scores),
        label_shift=align_to_clients(clients, numbers, labels.label_shift(held)),
        feature_shift=shift,
        pairwise=tuple(table for part in parts for table in part.pairwise),
        map=map,
        notes=tuple(_notes(counts, sample_features, why_not)),
    )


def _summarize_sizes(sizes: NDArray[np.int64]) -> SizeSummary:
    return SizeSummary(
        gini=gini(sizes),
        effective_clients=effective_clients(sizes),
        smallest=int(sizes.min()),
        median=float(np.median(sizes)),
        largest=int(sizes.max()),
    )


def _notes(counts: NDArray[np.int64], sample_features: SampleFeatures | None, why_not: str) -> list[str]:
    """Notes about what was left out or sampled."""
    clients, holding = len(counts), int((counts.sum(axis=1) > 0).sum())
    found = []
    if holding < clients:
        found.append(f"{clients - holding} of {clients} clients have no training image: they count in sizes only.")
    if _pairs(holding) > PAIRS:
        found.append(f"label distances of two clients: {PAIRS:,} of {_pairs(holding):,} pairs, drawn at random.")
    if sample_features is None:
        return [*found, f"image features were not measured: {why_not or 'labels and sizes only'}."]
    measured = len(sample_features.sample.clients)
    drawn = ", drawn at random" if len(sample_features.labels) < counts.sum() else ""
    found.append(
        f"image features of {sample_features.backbone}: {len(sample_features.labels):,} of {counts.sum():,} training "
        f"images, {measured:,} of {holding:,} clients{drawn}."
    )
    if _pairs(measured) > EXACT_PAIRS:
        found.append(f"exact distances: {EXACT_PAIRS} of {_pairs(measured):,} pairs of clients, drawn at random.")
    return found


def _pairs(clients: int) -> int:
    return clients * (clients - 1) // 2
