"""The likelihood ratio of an image on observations with known membership."""

from typing import Any

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from fedsilo.runs.audit.audited_images import Population
from fedsilo.runs.audit.lira import LikelihoodRatio, compute_confidence
from fedsilo.runs.audit.model_scores import Observation
from fedsilo.runs.audit.roc import compute_auc, compute_curve


def test_confidence_is_the_logit_of_the_own_class(population: Population, observe: Any) -> None:
    (seen,) = observe(1, 0.0)
    own = np.exp(seen.log_probabilities)[np.arange(800), population.labels]
    np.testing.assert_allclose(compute_confidence(seen, population), logit(own), rtol=1e-9)


def test_confidence_is_finite_where_probabilities_are_0_and_1_in_floating_point(population: Population) -> None:
    scores = np.full((800, 4), -400.0)
    scores[:, 0] = 0.0
    seen = Observation(scores, *[np.zeros(800, dtype=bool)] * 3)
    found = compute_confidence(seen, population)
    assert np.isfinite(found).all()
    assert set(found[population.labels == 0].round()) == {400 - round(np.log(3))}


def test_the_ratio_is_as_good_as_the_two_normals_allow(population: Population, observe: Any) -> None:
    """With many shadow models the attack knows both normals: AUC is then Phi(gap / sqrt 2), whatever an image's own."""
    target, *shadows = observe(200, 1.0, hardness=5.0)
    scores = LikelihoodRatio().fit(shadows, population).scores(target, population)
    assert compute_auc(*compute_curve(scores, target.members)) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)
    # without an image's own mean there would be next to nothing to see
    assert compute_auc(*compute_curve(compute_confidence(target, population), target.members)) == pytest.approx(
        0.5, abs=0.1
    )


def test_an_image_that_was_in_every_shadow_or_in_none_is_judged_by_the_others_gap(
    population: Population, observe: Any
) -> None:
    target, *shadows = observe(17, 3.0)
    always = [
        Observation(
            s.log_probabilities, s.members | (np.arange(800) < 40), s.exposed | (np.arange(800) < 40), s.canaries
        )
        for s in shadows
    ]
    fitted = LikelihoodRatio().fit(always, population)
    scores = fitted.scores(target, population)
    assert np.isfinite(scores).all()
    assert np.isfinite(fitted.outside.means).all()


def test_a_member_in_no_batch_teaches_neither_side(population: Population, observe: Any) -> None:
    seen = observe(8, 2.0)
    idle = [
        Observation(
            np.where(np.arange(800)[:, None] == 5, -3.0 * number, one.log_probabilities),
            one.members | (np.arange(800) == 5),
            one.exposed & (np.arange(800) != 5),
            one.canaries,
        )
        for number, one in enumerate(seen)
    ]
    fitted = LikelihoodRatio().fit(idle, population)
    assert np.isnan(fitted.inside.means[5])
    assert np.isnan(fitted.outside.means[5])
