"""Measuring a partition: labels and sizes from its manifest, image features from a sample of its training images."""

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
from fedsilo.partitioning.heterogeneity.label_scores import map_labels, measure_labels, transport_labels
from fedsilo.partitioning.heterogeneity.measured_sample import ImageSample, sample_images
from fedsilo.partitioning.heterogeneity.score_parts import PAIRS, align_to_clients
from fedsilo.partitioning.heterogeneity.scores import Scores, SizeSummary
from fedsilo.partitioning.heterogeneity.size_scores import effective_clients, gini
from fedsilo.partitioning.manifest import Manifest

IMAGES = 1000
"""Images whose features are measured, unless another number is asked for."""


def images_to_measure(manifest: Manifest, limit: int = IMAGES) -> ImageSample:
    """Returns a sample of at most `limit` training images, the same one for the same partition and seed."""
    generator = numpy_generator(manifest.seed, "images to measure")
    return sample_images([client.train for client in manifest.clients], limit, generator)


def measure(manifest: Manifest, pictured: SampleFeatures | None, why_not: str = "") -> Scores:
    """Returns the scores of a partition, which has at least one training example.

    Args:
        manifest: The partition.
        pictured: Features of `images_to_measure`; None measures labels and sizes only.
        why_not: Why there are no features, for a note.
    """
    # One thread: matrices are small, threads would only wait for each other, and sums would hang on their number.
    with threadpool_limits(1, "blas"):
        return _measure(manifest, pictured, why_not)


def _measure(manifest: Manifest, pictured: SampleFeatures | None, why_not: str) -> Scores:
    counts, seed = manifest.train_counts(), manifest.seed
    numbers = np.flatnonzero(counts.sum(axis=1) > 0)
    held, clients = counts[numbers], len(counts)
    parts = [measure_labels(held, numbers, seed)]
    shift: tuple[float | None, ...] = (None,) * clients
    if pictured is None:
        map = map_labels(held, numbers, seed)
    else:
        sliced = SlicedDistances(pictured, seed)
        parts.append(transport_labels(held, numbers, normalize_rows(pictured.class_features), seed))
        parts += [sliced.measure(), *measure_exactly(pictured, seed)]
        shift = align_to_clients(clients, pictured.sample.clients, sliced.shift())
        map = sliced.map()
    return Scores(
        split_sha256=manifest.split_sha256,
        clients=clients,
        backbone=pictured.backbone if pictured else "",
        images=len(pictured.labels) if pictured else 0,
        sizes=_summarize_sizes(counts.sum(axis=1)),
        scores=tuple(score for part in parts for score in part.scores),
        label_shift=align_to_clients(clients, numbers, labels.label_shift(held)),
        feature_shift=shift,
        pairwise=tuple(table for part in parts for table in part.pairwise),
        map=map,
        notes=tuple(_notes(counts, pictured, why_not)),
    )


def _summarize_sizes(sizes: NDArray[np.int64]) -> SizeSummary:
    return SizeSummary(
        gini=gini(sizes),
        effective_clients=effective_clients(sizes),
        smallest=int(sizes.min()),
        median=float(np.median(sizes)),
        largest=int(sizes.max()),
    )


def _notes(counts: NDArray[np.int64], pictured: SampleFeatures | None, why_not: str) -> list[str]:
    """What was left out or sampled."""
    clients, holding = len(counts), int((counts.sum(axis=1) > 0).sum())
    found = []
    if holding < clients:
        found.append(f"{clients - holding} of {clients} clients have no training image: they count in sizes only.")
    if _pairs(holding) > PAIRS:
        found.append(f"label distances of two clients: {PAIRS:,} of {_pairs(holding):,} pairs, drawn at random.")
    if pictured is None:
        return [*found, f"image features were not measured: {why_not or 'labels and sizes only'}."]
    measured = len(pictured.sample.clients)
    drawn = ", drawn at random" if len(pictured.labels) < counts.sum() else ""
    found.append(
        f"image features of {pictured.backbone}: {len(pictured.labels):,} of {counts.sum():,} training images, "
        f"{measured:,} of {holding:,} clients{drawn}."
    )
    if _pairs(measured) > EXACT_PAIRS:
        found.append(f"exact distances: {EXACT_PAIRS} of {_pairs(measured):,} pairs of clients, drawn at random.")
    return found


def _pairs(clients: int) -> int:
    return clients * (clients - 1) // 2
