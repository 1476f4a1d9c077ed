"""What a client is measured on: own, others' and validation images, each with the candidates allowed there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.core import Candidates, Columns, Tally
from fedsilo.core.batch import IMAGE
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.simulation.client_data import ValidationImages
from fedsilo.simulation.client_measurement import ClientMeasurement
from fedsilo.tasks.composition import Composition
from fedsilo.training.composition_curve import describe_images

PAIRS = Candidates(
    ("a", "b", "c", "d", "e"),
    {"attribute": np.array([0, 0, 1, 1, 2]), "object": np.array([0, 1, 0, 1, 0])},
    np.arange(5) < 3,
    {"attribute": ("x", "y", "z"), "object": ("p", "q")},
    allowed=np.array([True, True, True, False, True]),
    allowed_in_validation=np.array([True, True, True, True, False]),
)


@pytest.fixture
def measured(world: Callable[..., Any], toy_model: FrozenModel) -> ClientMeasurement:
    made = world()
    model = replace(toy_model, candidates=PAIRS)

    def predictor(model: FrozenModel) -> Callable[[Columns], torch.Tensor]:
        return lambda inputs: model.score(inputs[IMAGE], model.zero_shot)

    labels = np.array([0, 1, 3, 4, 3, 2])
    data = replace(made.portion(1), validation=ValidationImages(made.portion(1).train, labels))
    return ClientMeasurement(data, replace(made.rules, task=Composition()), model, predictor)


def expected(
    measured: ClientMeasurement, source: Any, rows: np.ndarray, labels: np.ndarray, among: Candidates
) -> Tally:
    scores = measured.model.score(source.batch(rows, 0)[IMAGE], measured.model.zero_shot)
    own = np.isin(np.arange(5), measured.data.train_labels)
    columns = describe_images(scores, torch.from_numpy(labels), replace(among, own=own))
    return {"examples": len(rows), **columns}


def equal(one: Tally | None, other: Tally) -> bool:
    assert one is not None
    return set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in other)


def test_each_set_of_images_has_its_own_candidates(measured: ClientMeasurement) -> None:
    data = measured.data
    score = measured.measure(neighbours=True)
    assert equal(score.own, expected(measured, data.test, data.own_test, data.own_labels, PAIRS))
    others = np.setdiff1d(np.arange(len(data.test_labels)), data.own_test)
    assert equal(score.elsewhere, expected(measured, data.test, others, data.test_labels[others], PAIRS))
    held = data.validation
    assert held is not None
    allowed = replace(PAIRS, allowed=PAIRS.allowed_in_validation)
    assert equal(score.validation, expected(measured, held.images, np.arange(6), held.labels, allowed))
    assert not equal(score.validation, expected(measured, held.images, np.arange(6), held.labels, PAIRS))
    assert score.new is None


def test_a_client_that_never_trains_has_no_pair_of_its_own(measured: ClientMeasurement) -> None:
    assert np.asarray(measured.measure(neighbours=False).own["own"]).any()
    rules = replace(measured.rules, never_train=frozenset({measured.data.number}))
    assert not np.asarray(replace(measured, rules=rules).measure(neighbours=False).own["own"]).any()


def test_without_validation_images_and_neighbours_nothing_more_is_measured(measured: ClientMeasurement) -> None:
    alone = replace(measured, data=replace(measured.data, validation=None))
    score = alone.measure(neighbours=False)
    assert score.elsewhere is score.validation is None
    assert score.examples == len(measured.data.own_test)
