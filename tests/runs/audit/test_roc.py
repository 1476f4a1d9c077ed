"""Rates, ROC curve and permutations, against scikit-learn and values computed by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from fedsilo.runs.audit.roc import (
    ScoredExamples,
    compute_auc,
    compute_curve,
    compute_rates,
    compute_success,
    find_threshold,
    find_tpr,
    permute_rates,
    thin,
)


def drawn(size: int = 400, gap: float = 1.0, seed: int = 0, digits: int = 1) -> ScoredExamples:
    """Scores with ties."""
    generator = np.random.default_rng(seed)
    members = generator.random(size) < 0.4
    scores = (generator.normal(0, 1, size) + gap * members).round(digits)
    return ScoredExamples(scores, members, generator.integers(0, 5, size))


def test_auc_and_curve_are_sklearn_s() -> None:
    judged = drawn()
    assert compute_auc(*compute_curve(judged.scores, judged.members)) == pytest.approx(
        roc_auc_score(judged.members, judged.scores)
    )
    false, true, _ = roc_curve(judged.members, judged.scores, drop_intermediate=False)
    found = compute_curve(judged.scores, judged.members)
    np.testing.assert_allclose(found[0], false)
    np.testing.assert_allclose(found[1], true)


def test_the_rate_at_one_per_cent_by_hand() -> None:
    # 200 others: two may pass. The third highest of them scores 7.
    scores = np.concatenate([np.arange(200.0) / 100, [9.0, 8.0, 7.0, 10.0, 7.5, 7.0, 6.0]])
    members = np.concatenate([np.zeros(203, dtype=bool), np.ones(4, dtype=bool)])
    scores = np.delete(scores, [0, 1, 2])
    members = np.delete(members, [0, 1, 2])
    assert members.sum() == 4
    assert find_tpr(*compute_curve(scores, members), 0.01) == 0.5  # 10 and 7.5 of 10, 7.5, 7, 6


def test_success_counts_classes_and_both_sides_alike() -> None:
    members = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    scores = np.array([1, 1, -1, -1, -1, -1, -1, 1], dtype=float)
    labels = np.array([0, 0, 0, 0, 2, 2, 2, 2])
    # class 0: (2/3 + 1) / 2; class 2: (0 + 2/3) / 2
    assert compute_success(ScoredExamples(scores, members, labels), 0.0) == pytest.approx((5 / 6 + 1 / 3) / 2)


def test_a_class_with_one_side_only_does_not_count() -> None:
    judged = ScoredExamples(np.array([1.0, -1.0, 5.0]), np.array([True, False, False]), np.array([0, 0, 1]))
    assert compute_success(judged, 0.0) == 1.0


@pytest.mark.parametrize("gap", [-1.0, 0.0, 1.0, 50.0])
def test_the_best_threshold_is_the_best(gap: float) -> None:
    judged = drawn(gap=gap)
    one_class = ScoredExamples(judged.scores, judged.members, np.zeros_like(judged.labels))
    candidates = [-np.inf, np.inf, *(np.unique(judged.scores) + 1e-6), *(np.unique(judged.scores) - 1e-6)]
    best = max(compute_success(one_class, threshold) for threshold in candidates)
    assert compute_success(one_class, find_threshold(one_class)) == pytest.approx(best)


def test_random_scores_and_shuffled_membership_give_half() -> None:
    random = compute_rates(drawn(size=4000, gap=0.0, digits=6), 0.0)
    assert random.success == pytest.approx(0.5, abs=0.05)
    assert random.auc == pytest.approx(0.5, abs=0.05)
    judged = drawn(size=4000, gap=3.0)
    assert compute_rates(judged, 1.5).success > 0.9
    table = np.array([(r.success, r.auc) for r in permute_rates(judged, 1.5, 100, np.random.default_rng(0))])
    assert table.mean(axis=0) == pytest.approx(0.5, abs=0.005)
    # a mean of 4000 guesses stays within 1.96 deviations of the binomial 95 times of 100
    assert (np.abs(table[:, 0] - 0.5) < 1.96 * 0.5 / np.sqrt(4000)).mean() > 0.85


def test_shuffling_keeps_scores_and_each_class_s_members() -> None:
    judged = drawn()
    mixed = judged.permute_members(np.random.default_rng(3))
    np.testing.assert_array_equal(mixed.scores, judged.scores)
    assert (mixed.members != judged.members).sum() > 100
    for label in range(5):
        assert mixed.members[judged.labels == label].sum() == judged.members[judged.labels == label].sum()


def test_a_long_curve_is_thinned_with_its_ends() -> None:
    judged = drawn(size=5000, digits=6)
    points = thin(*compute_curve(judged.scores, judged.members))
    assert len(points) == 200
    assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))
