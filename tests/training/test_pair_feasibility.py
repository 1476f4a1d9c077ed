"""Feasibility by its formula, pair by pair, and the threshold that validation images choose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedsilo.core.batch import Candidates
from fedsilo.training.composition_curve import describe_images, exact_curve
from fedsilo.training.pair_feasibility import THRESHOLDS, choose_threshold, measure_thresholds, score_feasibility

ATTRIBUTES, OBJECTS = 4, 5
SEEN = {(0, 0), (0, 1), (1, 1), (1, 3), (2, 4)}  # attribute 3 and object 2 are in no seen pair


@pytest.fixture(scope="module")
def among() -> Candidates:
    every = [(a, o) for a in range(ATTRIBUTES) for o in range(OBJECTS)]
    pairs = sorted(every, key=lambda pair: pair not in SEEN)
    parts = {
        name: np.array(values) for name, values in zip(("attribute", "object"), zip(*pairs, strict=True), strict=True)
    }
    texts = tuple(f"{a} {o}" for a, o in pairs)
    return Candidates(texts, parts, np.array([pair in SEEN for pair in pairs]))


@pytest.fixture(scope="module")
def vectors() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=(count, 6)) for count in (ATTRIBUTES, OBJECTS)]


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_scores_follow_the_formula(among: Candidates, vectors: list[np.ndarray]) -> None:
    attributes, objects = vectors
    found = score_feasibility(among, attributes, objects)
    for k in range(len(among)):
        a, o = int(among.parts["attribute"][k]), int(among.parts["object"][k])
        if (a, o) in SEEN:
            assert found[k] == 1.0
            continue
        near_objects = [cosine(objects[o], objects[p]) for p in range(OBJECTS) if p != o and (a, p) in SEEN]
        near_attributes = [cosine(attributes[a], attributes[b]) for b in range(ATTRIBUTES) if b != a and (b, o) in SEEN]
        expected = (max(near_objects, default=-1.0) + max(near_attributes, default=-1.0)) / 2
        assert found[k] == pytest.approx(expected)
    nothing = next(k for k in range(len(among)) if among.parts["attribute"][k] == 3 and among.parts["object"][k] == 2)
    assert found[nothing] == -1.0


def draw(among: Candidates, feasible: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose scores are high on what is not feasible."""
    generator = np.random.default_rng(1)
    shown = np.flatnonzero(among.seen | (feasible > 0.05))
    labels = torch.from_numpy(generator.choice(shown, 90))
    scores = torch.from_numpy(generator.normal(size=(90, len(among))).astype(np.float32))
    scores[torch.arange(90), labels] += 2
    scores[:, torch.from_numpy(feasible < 0)] += 2
    return scores, labels


def test_the_threshold_is_the_best_of_all(among: Candidates, vectors: list[np.ndarray]) -> None:
    feasible = score_feasibility(among, *vectors)
    scores, labels = draw(among, feasible)
    unseen = feasible[~among.seen]
    areas = []
    for threshold in np.linspace(unseen.min(), unseen.max(), THRESHOLDS):
        allowed = among.seen | (feasible >= threshold)
        curve = exact_curve(describe_images(scores, labels, replace(among, allowed=allowed)))
        areas.append(curve.area if curve else 0.0)
    best = int(np.argmax(areas))
    assert 0 < best < THRESHOLDS - 1
    batches = [(scores[:40], labels[:40]), (scores[40:], labels[40:])]
    thresholds, found = measure_thresholds(batches, among, feasible)
    assert found == pytest.approx(areas, abs=1e-12)
    assert (thresholds[0], thresholds[-1]) == (unseen.min(), unseen.max())
    threshold, area = choose_threshold(batches, among, feasible)
    assert threshold == pytest.approx(np.linspace(unseen.min(), unseen.max(), THRESHOLDS)[best])
    assert area == pytest.approx(areas[best], abs=1e-12)
    assert area > areas[0] + 0.05
