import numpy as np
import pytest

from fedsilo.data.emblems.paints import coat, mosaic, photo, watercolour
from fedsilo.data.emblems.plates import Plates, Pose, make_plates
from fedsilo.data.emblems.surfaces import colour

STEADY = Pose(24.0 * np.eye(2), np.array([32.0, 32.0]), np.zeros((2, 4)))
RED = colour(220, 40, 40)
PAINTS = {"photo": photo, "mosaic": mosaic, "watercolour": watercolour}


def plane(value):
    return np.full((64, 64), value, dtype=np.float32)


@pytest.fixture(scope="module")
def emblem():
    return make_plates(0, 0, STEADY, 0.0, np.random.default_rng(0))


def test_a_coat_has_its_colour_and_the_shade_on_accents_and_by_its_contrast_on_the_texture():
    accent, texture = plane(0), plane(0)
    accent[0], texture[1] = 1, 1
    page = coat(Plates(plane(1), accent, plane(0), texture), RED, RED / 2, 0.5)
    assert page[0, 0] == pytest.approx(RED / 2)
    assert page[1, 0] == pytest.approx(RED * 0.75)
    assert page[2, 0] == pytest.approx(RED)


@pytest.mark.parametrize("name", PAINTS)
def test_the_emblem_is_the_reddest_part_of_the_picture(name, emblem):
    page = PAINTS[name](emblem, RED, np.random.default_rng(0))
    assert page.shape == (64, 64, 3)
    redness = page[..., 0] - page[..., 1:].max(axis=2)
    assert redness[emblem.body == 1].mean() > redness[emblem.body == 0].mean() + 0.2


@pytest.mark.parametrize("name", PAINTS)
def test_the_generator_draws_all_that_varies(name, emblem):
    one, same, other = (PAINTS[name](emblem, RED, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert np.abs(one - other)[emblem.body == 0].mean() > 0.01


def test_a_mosaic_s_ground_is_of_another_brightness_than_the_emblem(emblem):
    weights = np.array([0.3, 0.6, 0.1])
    for seed in range(12):
        page = mosaic(emblem, RED, np.random.default_rng(seed)) @ weights
        inside, outside = np.median(page[emblem.body == 1]), np.median(page[emblem.body == 0])
        assert abs(inside - outside) > 0.15
