"""How likely a pair of an attribute and an object exists, by the words of pairs that are trained on.

A pair is feasible if its object is like one that is seen with its attribute, or its attribute like one that is seen
with its object.

Source: Mancini et al., "Open World Compositional Zero-Shot Learning", CVPR 2021, arXiv:2101.12609, section 3.3; the
mean of both similarities and the choice of the threshold as in Nayak et al., ICLR 2023, arXiv:2204.03574.

Dimensions: n images, K candidates, A attributes, O objects, G length of a word vector, T thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedsilo.core.batch import ATTRIBUTE, OBJECT, Candidates
from fedsilo.training.composition_curve import LOWEST, exact_curve

THRESHOLDS = 50
"""Evenly spaced thresholds of which validation images choose one."""

NEVER = -1.0
"""Similarity to the words of seen pairs where there is no such pair."""

Floats = NDArray[np.float64]


def score_feasibility(among: Candidates, attributes: NDArray[np.floating], objects: NDArray[np.floating]) -> Floats:
    """Scores how feasible each candidate is.

    Args:
        among: The K candidates.
        attributes: (A, G) vectors of the attributes' words, of any length above 0.
        objects: (O, G) vectors of the objects' words.

    Returns:
        (K,) scores in [-1, 1]: the mean of the cosine of the object with the most similar other object that is seen
        with the attribute, and of the attribute with the most similar other attribute that is seen with the object;
        -1 in place of a cosine where there is none. 1 for seen pairs.
    """
    attribute, object = among.parts[ATTRIBUTE], among.parts[OBJECT]
    seen = np.zeros((len(attributes), len(objects)), dtype=bool)
    seen[attribute[among.seen], object[among.seen]] = True
    by_object = _closest(_cosines(objects), seen)
    by_attribute = _closest(_cosines(attributes), seen.T)
    found = (by_object[attribute, object] + by_attribute[object, attribute]) / 2
    return np.where(among.seen, 1.0, found)


def _cosines(vectors: NDArray[np.floating]) -> Floats:
    """(m, m) cosines between words."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T, dtype=np.float64)


def _closest(cosines: Floats, seen: NDArray[np.bool_]) -> Floats:
    """(rows of seen, m) highest cosine of each word with one that is seen in the row."""
    return np.stack([np.where(row, cosines, NEVER).max(axis=1) for row in seen])


def choose_threshold(
    batches: Iterable[tuple[Tensor, Tensor]], among: Candidates, feasibility: Floats
) -> tuple[float, float]:
    """Chooses the threshold with which validation images have the largest area below the curve.

    Args:
        batches: Scores (b, K) of validation images and their (b,) labels.
        among: The K candidates.
        feasibility: (K,) scores of the candidates.

    Returns:
        The lowest of the best thresholds, and its area.
    """
    thresholds, areas = measure_thresholds(batches, among, feasibility)
    best = int(np.argmax(areas))
    return float(thresholds[best]), areas[best]


def measure_thresholds(
    batches: Iterable[tuple[Tensor, Tensor]], among: Candidates, feasibility: Floats
) -> tuple[Floats, list[float]]:
    """Measures validation images under each threshold; scores are read once.

    Args:
        batches: Scores (b, K) of validation images and their (b,) labels.
        among: The K candidates.
        feasibility: (K,) scores of the candidates.

    Returns:
        (T,) thresholds from the lowest to the highest score of an unseen pair, and the area below the curve of each.
    """
    unseen = np.flatnonzero(~among.seen)
    order = unseen[np.argsort(-feasibility[unseen], kind="stable")]
    thresholds = np.linspace(feasibility[unseen].min(), feasibility[unseen].max(), THRESHOLDS)
    counts = np.searchsorted(-feasibility[order], -thresholds, side="right").clip(min=1)
    parts = [_describe_by_count(scores, labels, among, order, counts) for scores, labels in batches]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    areas = []
    for place in range(len(thresholds)):
        chosen = {name: values if values.ndim == 1 else values[:, place] for name, values in columns.items()}
        curve = exact_curve(chosen)
        areas.append(curve.area if curve else 0.0)
    return thresholds, areas


def _describe_by_count(
    scores: Tensor, labels: Tensor, among: Candidates, order: NDArray[np.int64], counts: NDArray[np.int64]
) -> dict[str, NDArray[np.generic]]:
    """Columns as of `describe_images`, (b, T) where they depend on how many unseen pairs are allowed."""
    rows, seen = torch.arange(len(labels)), torch.from_numpy(among.seen)
    place = torch.full((len(among),), len(among))
    place[torch.from_numpy(order)] = torch.arange(len(order))
    true = scores[rows, labels]
    others = scores.clone()
    others[rows, labels] = LOWEST
    running = others[:, torch.from_numpy(order)].cummax(dim=1).values
    rival = running[:, torch.from_numpy(counts - 1)]
    allowed = place[labels][:, None] < torch.from_numpy(counts)
    first_unseen = allowed & (true[:, None] > rival)
    best_unseen = torch.where(allowed, torch.maximum(rival, true[:, None]), rival)
    of_seen = seen[labels]
    first_seen = of_seen & (true > others[:, seen].amax(dim=1))
    return {
        "seen": of_seen.numpy(),
        "first": (first_seen[:, None] | (~of_seen[:, None] & first_unseen)).numpy(),
        "best_seen": scores[:, seen].amax(dim=1).numpy(),
        "best_unseen": best_unseen.numpy(),
    }
