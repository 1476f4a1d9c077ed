import numpy as np
import pytest

from fedsilo.partitioning.heterogeneity.label_distances import (
    hellinger_points,
    label_distances,
    label_shift,
    mean_total_variation,
)
from fedsilo.partitioning.heterogeneity.measured_sample import sample_pairs
from fedsilo.partitioning.heterogeneity.size_scores import effective_clients, gini


def all_pairs(clients):
    return sample_pairs(clients, 10**6, np.random.default_rng(0))


def random_counts(clients=6, classes=5, seed=0):
    return np.random.default_rng(seed).integers(0, 9, (clients, classes)) + np.eye(clients, classes, dtype=np.int64)


def test_label_shift_of_two_disjoint_clients_is_known():
    # P = (1, 0), overall Q = (1/2, 1/2), M = (3/4, 1/4):
    # (KL(P|M) + KL(Q|M)) / 2 = (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2 = 0.311278, and its root.
    assert label_shift(np.array([[5, 0], [0, 5]])) == pytest.approx([0.557923, 0.557923], abs=1e-6)


def test_jensen_shannon_is_that_of_scipy():
    from scipy.spatial.distance import jensenshannon

    counts = random_counts() + np.array([[1], [0], [0], [0], [0], [0]])
    overall = counts.sum(axis=0)
    assert label_shift(counts) == pytest.approx([jensenshannon(row, overall, 2) for row in counts])
    pairs = all_pairs(6)
    expected = [jensenshannon(counts[one], counts[other], 2) for one, other in pairs]
    assert label_distances(counts, pairs) == pytest.approx(expected)


def test_disjoint_clients_are_as_far_apart_as_can_be_and_equal_ones_not_at_all():
    counts = np.array([[2, 4, 0, 0], [0, 0, 1, 1], [1, 2, 0, 0]])
    assert label_distances(counts, np.array([[0, 1], [0, 2]])) == pytest.approx([1, 0], abs=1e-7)


def test_jensen_shannon_is_a_metric():
    counts = random_counts(8)
    square = np.zeros((8, 8))
    for (one, other), value in zip(all_pairs(8), label_distances(counts, all_pairs(8)), strict=True):
        square[one, other] = square[other, one] = value
    assert (square[:, :, None] <= square[:, None, :] + square.T[None, :, :] + 1e-12).all()
    assert label_distances(counts, all_pairs(8)[:, ::-1]) == pytest.approx(label_distances(counts, all_pairs(8)))


def test_alike_clients_have_no_shift_at_all():
    counts = np.array([[2, 4, 6], [1, 2, 3], [1, 2, 3]])
    assert label_shift(counts) == pytest.approx([0, 0, 0], abs=1e-7)
    assert mean_total_variation(counts) == pytest.approx(0)


def test_total_variation_between_clients_is_known():
    # TV of (1, 0) and (1/2, 1/2) is 1/2, of (1, 0) and (0, 1) is 1, of (1/2, 1/2) and (0, 1) is 1/2.
    assert mean_total_variation(np.array([[8, 0], [3, 3], [0, 1]])) == pytest.approx(2 / 3)
    assert mean_total_variation(np.array([[3, 1]])) == 0


def test_total_variation_by_sorting_is_that_of_every_pair():
    counts = random_counts(7, 5, seed=2)
    parts = counts / counts.sum(axis=1, keepdims=True)
    expected = np.mean([np.abs(parts[one] - parts[other]).sum() / 2 for one, other in all_pairs(7)])
    assert mean_total_variation(counts) == pytest.approx(expected)


def test_hellinger_distance_of_known_labels():
    # 1 - (Bhattacharyya coefficient) under the root: (1, 0) and (1/2, 1/2) give 1 - sqrt(1/2); disjoint ones give 1.
    points = hellinger_points(np.array([[4, 0], [3, 3], [0, 1]]))
    found = [np.linalg.norm(points[0] - points[1]), np.linalg.norm(points[0] - points[2])]
    assert found == pytest.approx([np.sqrt(1 - np.sqrt(0.5)), 1.0])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([5, 5, 5], 0.0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25), ([3, 1, 2], 2 / 9), ([4], 0.0)],
)
def test_gini_of_known_sizes(sizes, expected):
    assert gini(np.array(sizes)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sizes", "expected"), [([5, 5, 5], 3.0), ([0, 0, 0, 8], 1.0), ([1, 3], 1.6), ([3, 1, 2], 36 / 14)]
)
def test_effective_clients_of_known_sizes(sizes, expected):
    assert effective_clients(np.array(sizes)) == pytest.approx(expected)
