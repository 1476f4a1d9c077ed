import numpy as np
import ot
import pytest

from fedsilo.partitioning.heterogeneity.sliced_wasserstein import (
    directions,
    distances,
    project,
    quantile_points,
    root_mean_square,
    to_centre,
)


def samples(sizes, width=6, seed=0):
    """Unit features of clients with these many images, each client around a point of its own."""
    generator = np.random.default_rng(seed)
    parts = [generator.normal(0, 1, (size, width)) + generator.normal(0, 1, width) for size in sizes]
    features = np.concatenate(parts)
    return features / np.linalg.norm(features, axis=1, keepdims=True), np.repeat(np.arange(len(sizes)), sizes)


def points_of(features, owners, count=64, levels=32):
    along = directions(features.shape[1], count)
    return quantile_points(project(features, along), owners, owners.max() + 1, levels)


def test_directions_are_orthonormal_and_the_same_every_time():
    along = directions(20, 8)
    assert along.T @ along == pytest.approx(np.eye(8), abs=1e-12)
    assert (along == directions(20, 8)).all()
    assert directions(5, 64).shape == (5, 5)


@pytest.mark.parametrize("width", [3, 6])
def test_points_give_the_sliced_distance_of_pot(width):
    features, owners = samples((8, 4, 16), width)
    along = directions(width)
    points = points_of(features, owners)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        left, right = features[owners == one], features[owners == other]
        # POT takes the mean over directions; ours is scaled by the width.
        expected = ot.sliced_wasserstein_distance(left, right, projections=along) * np.sqrt(width)
        assert distances(points, np.array([[one, other]]))[0] == pytest.approx(expected)
        squares = [ot.wasserstein_1d(left @ a, right @ a, p=2) for a in along.T]
        assert expected == pytest.approx(np.sqrt(np.sum(squares)))


def test_sizes_that_do_not_divide_the_levels_are_close():
    features, owners = samples((7, 11))
    expected = ot.sliced_wasserstein_distance(features[:7], features[7:], projections=directions(6)) * np.sqrt(6)
    assert distances(points_of(features, owners, levels=2048), np.array([[0, 1]]))[0] == pytest.approx(expected, 2e-3)


def test_a_shift_is_measured_as_long_as_it_is():
    features, _ = samples((16,))
    shift = np.array([0.3, 0, 0, -0.4, 0, 0])
    points = points_of(np.concatenate([features, features + shift]), np.repeat([0, 1], 16))
    assert distances(points, np.array([[0, 1]]))[0] == pytest.approx(0.5)


def test_few_directions_measure_a_shift_right_on_average():
    # Over all axes: the mean squared length of what 8 of 40 directions see, scaled by 40 / 8, is 1.
    assert (project(np.eye(40), directions(40, 8)) ** 2).sum(axis=0).mean() == pytest.approx(1)


def test_levels_are_in_the_middle_of_their_part():
    # Of three values at the levels 1/8, 3/8, 5/8, 7/8: the first, the middle one twice, the last.
    points = quantile_points(np.array([[9.0, 1.0, 4.0]]), np.zeros(3, dtype=np.int64), 1, levels=4)
    assert points * 2 == pytest.approx(np.array([[1.0, 4.0, 4.0, 9.0]]))


def test_never_above_the_exact_distance_with_all_directions():
    features, owners = samples((16, 16, 8))
    points = points_of(features, owners)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        left, right = features[owners == one], features[owners == other]
        exact = np.sqrt(ot.emd2([], [], ot.dist(left, right)))
        assert 0 < distances(points, np.array([[one, other]]))[0] <= exact + 1e-12


def test_means_over_all_pairs_need_no_pairs():
    features, owners = samples((4, 8, 16, 2))
    points = points_of(features, owners)
    pairs = np.array([[i, j] for j in range(4) for i in range(j)])
    assert root_mean_square(points) == pytest.approx(np.sqrt((distances(points, pairs) ** 2).mean()))
    assert root_mean_square(points[:1]) == 0
    assert (to_centre(points) ** 2).mean() * 2 * 4 / 3 == pytest.approx(root_mean_square(points) ** 2)


def test_the_same_images_are_no_distance_apart_in_any_order():
    features, _ = samples((12,))
    mixed = np.concatenate([features, features[::-1]])
    order = np.random.default_rng(1).permutation(24)
    points = points_of(mixed[order], np.repeat([0, 1], 12)[order])
    assert distances(points, np.array([[0, 1]]))[0] == pytest.approx(0, abs=1e-12)
