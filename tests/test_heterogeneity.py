import numpy as np
import pytest

from fedsilo.heterogeneity import gini, label_shift, measure, pairwise_shift


def test_label_shift_of_two_disjoint_clients_is_known():
    # P = (1, 0), overall Q = (1/2, 1/2), M = (3/4, 1/4):
    # (KL(P|M) + KL(Q|M)) / 2 = (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2 = 0.311278, and its root.
    assert label_shift(np.array([[5, 0], [0, 5]])) == pytest.approx([0.557923, 0.557923], abs=1e-6)


def test_label_shift_is_that_of_scipy():
    from scipy.spatial.distance import jensenshannon

    counts = np.random.default_rng(0).integers(0, 9, (6, 5)) + np.eye(6, 5, dtype=np.int64)
    overall = counts.sum(axis=0)
    assert label_shift(counts) == pytest.approx([jensenshannon(row, overall, 2) for row in counts])


def test_alike_clients_have_no_shift_at_all():
    numbers = measure(np.array([[2, 4, 6], [1, 2, 3], [1, 2, 3]]))
    assert numbers.mean_label_shift == pytest.approx(0, abs=1e-7)
    assert numbers.pairwise_shift == pytest.approx(0)


def test_pairwise_shift_is_the_mean_total_variation():
    # TV of (1, 0) and (1/2, 1/2) is 1/2, of (1, 0) and (0, 1) is 1, of (1/2, 1/2) and (0, 1) is 1/2.
    assert pairwise_shift(np.array([[8, 0], [3, 3], [0, 1]])) == pytest.approx(2 / 3)


def test_earth_movers_distance_with_equal_costs_is_the_total_variation():
    counts = np.random.default_rng(1).integers(1, 9, (5, 4))
    assert pairwise_shift(counts, 1.0 - np.eye(4)) == pytest.approx(pairwise_shift(counts))


def test_earth_movers_distance_counts_what_classes_cost():
    # All of class 0 has to become class 2, two steps away on a line.
    line = np.abs(np.subtract.outer(np.arange(3.0), np.arange(3.0)))
    assert pairwise_shift(np.array([[4, 0, 0], [0, 0, 9]]), line) == pytest.approx(2.0)


def test_a_single_client_differs_from_nobody():
    numbers = measure(np.array([[3, 1]]))
    assert (numbers.mean_label_shift, numbers.pairwise_shift, numbers.size_gini) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([5, 5, 5], 0.0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25), ([3, 1, 2], 2 / 9)],
)
def test_gini_of_known_sizes(sizes, expected):
    assert gini(np.array(sizes)) == pytest.approx(expected)


def test_a_client_without_examples_is_in_no_mean_of_shifts():
    numbers = measure(np.array([[5, 0], [0, 0], [0, 5]]))
    without = measure(np.array([[5, 0], [0, 5]]))
    assert numbers.label_shift == pytest.approx([without.label_shift[0], 0.0, without.label_shift[1]])
    assert numbers.mean_label_shift == without.mean_label_shift
    assert numbers.pairwise_shift == without.pairwise_shift
    assert numbers.size_gini == pytest.approx(1 / 3)
