import numpy as np
import pytest

from fedsilo.partitioning.heterogeneity.client_embedding import project_to_plane


@pytest.mark.parametrize("shape", [(3, 40), (40, 3), (5, 5)])
def test_a_map_of_flat_points_keeps_their_distances(shape):
    clients, width = shape
    generator = np.random.default_rng(0)
    plane = generator.normal(0, 1, (clients, 2)) @ np.linalg.qr(generator.normal(0, 1, (width, 2)))[0].T
    places, shown = project_to_plane(plane + 7)

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=2)

    assert distances(places) == pytest.approx(distances(plane), abs=1e-9)
    assert shown == pytest.approx(1)
    assert places.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)


def test_points_of_one_width_are_mapped_on_a_line():
    places, shown = project_to_plane(np.array([[0.0], [1.0], [3.0]]))
    assert np.ptp(places[:, 0]) == pytest.approx(3)
    assert not places[:, 1].any()
    assert shown == 1
