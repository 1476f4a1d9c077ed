import numpy as np
import pytest

from fedsilo.data.emblems.curves import band, box, circle, ellipse, mirror, polygon, sector, smooth, symmetric


def area(outline):
    """By the shoelace formula; positive where the outline runs clockwise on the page."""
    x, y = outline.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def test_a_box_has_its_corners_and_its_area():
    assert box(-1, 0, 2, 0.5).tolist() == polygon((-1, 0), (2, 0), (2, 0.5), (-1, 0.5)).tolist()
    assert area(box(-1, 0, 2, 0.5)) == pytest.approx(1.5)


def test_a_circle_lies_around_its_centre():
    points = circle(0.5, -0.25, 0.3, steps=200)
    assert np.hypot(points[:, 0] - 0.5, points[:, 1] + 0.25) == pytest.approx(np.full(200, 0.3))
    assert area(points) == pytest.approx(np.pi * 0.09, rel=1e-3)


def test_an_ellipse_is_turned_clockwise_on_the_page():
    points = ellipse(1, 2, 3, 1, tilt=90, steps=4)
    assert points == pytest.approx(np.array([[1, 5], [0, 2], [1, -1], [2, 2]]))  # its long axis points downwards


def test_a_sector_runs_from_its_first_to_its_last_angle():
    points = sector(0, 0, 2, 0, 90, steps=3)
    assert points == pytest.approx(np.array([[2, 0], [np.sqrt(2), np.sqrt(2)], [0, 2]]))


def test_a_ribbon_keeps_its_width():
    ribbon = band([(0, 0), (1, 0), (4, 0)], 0.5)
    assert ribbon.tolist() == [[0, 0.25], [1, 0.25], [4, 0.25], [4, -0.25], [1, -0.25], [0, -0.25]]


def test_corner_cutting_takes_an_eighth_of_a_square_and_stays_inside():
    square = box(0, 0, 1, 1)
    once = smooth(*map(tuple, square), rounds=1)
    assert once.shape == (8, 2)
    assert area(once) == pytest.approx(1 - 4 * 0.25**2 / 2)
    assert smooth(*map(tuple, square), rounds=3).shape == (32, 2)


def test_a_symmetric_outline_is_its_own_mirror_image():
    outline = symmetric((0.2, -1), (0.8, 0), (0.1, 1))
    assert outline.shape == (6, 2)
    assert mirror(outline)[::-1].tolist() == outline.tolist()
    assert area(outline) == pytest.approx(2 * (0.5 * (0.2 + 0.8) + 0.5 * (0.8 + 0.1)))
