import numpy as np
import pytest

from fedsilo.data.emblems.lines import blueprint, neon, sketch
from fedsilo.data.emblems.plates import Plates, Pose, make_plates
from fedsilo.data.emblems.surfaces import colour

STEADY = Pose(20.0 * np.eye(2), np.array([32.0, 32.0]), np.zeros((2, 4)))
NOTHING = Plates(*(np.zeros((64, 64), dtype=np.float32) for _ in range(4)))
RED = colour(220, 40, 40)


@pytest.fixture(scope="module")
def emblem():
    return make_plates(0, 0, STEADY, 1.5, np.random.default_rng(0))


def drawn(name, plates, seed=0):
    generator = np.random.default_rng(seed)
    if name == "sketch":
        return sketch(plates, plates, RED, generator)
    return blueprint(plates, STEADY, RED, generator) if name == "blueprint" else neon(plates, RED, generator)


@pytest.mark.parametrize(("name", "darker"), [("sketch", True), ("blueprint", False), ("neon", False)])
def test_lines_are_dark_on_white_paper_and_light_on_dark_grounds(name, darker, emblem):
    page, ground = drawn(name, emblem), drawn(name, NOTHING)
    change = (page - ground).mean(axis=2)[emblem.lines > 0.9].mean()
    assert page.shape == (64, 64, 3)
    assert abs(change) > 0.2
    assert (change < 0) == darker


@pytest.mark.parametrize("name", ["sketch", "blueprint"])
def test_the_ground_far_from_the_emblem_is_that_of_an_empty_page(name, emblem):
    away = (emblem.lines == 0) & (emblem.body == 0)
    assert np.abs(drawn(name, emblem) - drawn(name, NOTHING))[away].max() < 1e-6


def test_neon_glows_in_its_colour_beyond_its_tubes(emblem):
    light = drawn("neon", emblem) - drawn("neon", NOTHING)
    near = (emblem.lines == 0) & (emblem.body == 0)
    near[:8], near[-8:], near[:, :8], near[:, -8:] = False, False, False, False
    red, green, blue = light[near].mean(axis=0)
    assert red > 0.05
    assert red > 3 * max(green, blue)


def test_paper_is_white_plans_are_blue_and_walls_are_dark():
    assert drawn("sketch", NOTHING).mean() > 0.9
    red, green, blue = drawn("blueprint", NOTHING).mean(axis=(0, 1))
    assert blue > green > red
    assert drawn("neon", NOTHING).mean() < 0.25
