import numpy as np
import ot
import pytest
from scipy.optimize import linear_sum_assignment

from fedsilo.partitioning.heterogeneity.exact_transport import ClassGaussians, class_costs, earth_movers, wasserstein

PAIR = np.array([[0, 1]])


def unit(*shape, seed=0):
    found = np.random.default_rng(seed).normal(0, 1, shape)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def test_earth_movers_distance_counts_what_classes_cost():
    # All of class 0 has to become class 2, two steps away on a line.
    line = np.abs(np.subtract.outer(np.arange(3.0), np.arange(3.0)))
    assert earth_movers(np.array([[1.0, 0, 0], [0, 0, 1]]), PAIR, line) == pytest.approx([2.0])
    # A quarter goes one step, a quarter two: 3/4.
    assert earth_movers(np.array([[0.5, 0.5, 0], [0, 0.75, 0.25]]), PAIR, line) == pytest.approx([0.75])


def test_earth_movers_distance_with_equal_costs_is_the_total_variation():
    parts = np.random.default_rng(1).dirichlet(np.ones(4), 2)
    expected = np.abs(parts[0] - parts[1]).sum() / 2
    assert earth_movers(parts, PAIR, 1.0 - np.eye(4)) == pytest.approx([expected])


def test_earth_movers_distance_equals_pots_on_the_full_distributions():
    parts, costs = np.random.default_rng(2).dirichlet(np.full(7, 0.4), 5), class_costs(unit(7, 5))
    pairs = np.array([[i, j] for j in range(5) for i in range(j)])
    expected = [ot.emd2(parts[one], parts[other], costs) for one, other in pairs]
    assert earth_movers(parts, pairs, costs) == pytest.approx(expected)
    assert earth_movers(parts, np.array([[3, 3]]), costs) == [0]


def test_a_cat_is_nearer_to_a_dog_than_to_a_truck():
    names = np.array([[1, 0], [0.8, 0.6], [-1, 0]])
    costs = class_costs(names)
    assert costs[0, 1] == pytest.approx(np.sqrt(0.4))
    assert costs[0, 2] == pytest.approx(2)
    assert (costs == costs.T).all()
    assert not costs.diagonal().any()


def test_exact_distance_of_as_many_images_is_the_best_assignment():
    one, other = unit(9, 4), unit(9, 4, seed=1)
    costs = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    assert wasserstein(one, other) == pytest.approx(np.sqrt(costs[linear_sum_assignment(costs)].mean()))
    assert wasserstein(one, other) == pytest.approx(wasserstein(other, one))
    assert wasserstein(one, one[::-1]) == pytest.approx(0, abs=1e-7)


def test_exact_distance_of_two_points_is_their_distance():
    assert wasserstein(np.array([[1.0, 0]]), np.array([[0, 1.0], [0, 1.0]])) == pytest.approx(np.sqrt(2))


def labelled(sizes=(30, 26), classes=3, width=3):
    generator = np.random.default_rng(5)
    features = unit(sum(sizes), width, seed=6)
    return features, generator.integers(0, classes, sum(sizes)), np.repeat(np.arange(len(sizes)), sizes)


def by_the_book(features, labels, owners):
    """The distance of Alvarez-Melis and Fusi, label by label, with the Gaussians' distance from POT."""

    def gaussian(client, label):
        rows = features[(owners == client) & (labels == label)]
        return rows.mean(axis=0), np.cov(rows.T, bias=True) + 1e-12 * np.eye(features.shape[1])

    left, right = np.flatnonzero(owners == 0), np.flatnonzero(owners == 1)
    costs = ot.dist(features[left], features[right])
    for row, i in enumerate(left):
        for column, j in enumerate(right):
            (m, a), (n, b) = gaussian(0, labels[i]), gaussian(1, labels[j])
            costs[row, column] += ot.gaussian.bures_wasserstein_distance(m, n, a, b) ** 2
    return np.sqrt(ot.emd2([], [], costs))


def test_labelled_distance_is_that_of_the_paper():
    features, labels, owners = labelled()
    assert ClassGaussians(features, labels, owners).distance(0, 1) == pytest.approx(
        by_the_book(features, labels, owners), 1e-5
    )


def test_labelled_distance_is_symmetric_and_above_the_plain_one_and_zero_for_the_same_data():
    features, labels, owners = labelled()
    groups = ClassGaussians(features, labels, owners)
    assert groups.distance(0, 1) == pytest.approx(groups.distance(1, 0))
    assert groups.distance(0, 1) > wasserstein(features[owners == 0], features[owners == 1])
    twice = ClassGaussians(np.tile(features, (2, 1)), np.tile(labels, 2), np.repeat([0, 1], len(labels)))
    assert twice.distance(0, 1) == pytest.approx(0, abs=1e-6)


def test_labelled_distance_sees_that_labels_mean_something_else():
    # Two classes that are one point each, and the same images at both clients. Swapped names are no difference: each
    # image finds its twin, and the class of either is the same point.
    features = np.array([[1.0, 0]] * 4 + [[-1.0, 0]] * 4)
    names = np.array([0] * 4 + [1] * 4)
    owners = np.repeat([0, 1], 8)
    swapped = ClassGaussians(np.tile(features, (2, 1)), np.concatenate([names, 1 - names]), owners)
    assert swapped.distance(0, 1) == pytest.approx(0)
    # With names at random, a class of the second client has mean 0 and variance 1: W2^2 to the point 1 is 1 + 1.
    mixed = ClassGaussians(np.tile(features, (2, 1)), np.concatenate([names, np.tile([0, 1], 4)]), owners)
    assert mixed.distance(0, 1) == pytest.approx(np.sqrt(2))
