import numpy as np
import pytest

from fedsilo.data.emblems.drawing import Emblem, draw
from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS, TEXTURES


@pytest.mark.parametrize("domain", range(len(DOMAINS)), ids=DOMAINS)
def test_every_class_stands_out_from_its_ground(domain):
    for label in range(len(CLASSES)):
        pixels = np.asarray(draw(Emblem(label, 0, 0, domain, 3)), dtype=float)
        assert pixels.shape == (64, 64, 3)
        assert pixels.std() > 8


def mean_colour(colour: int, domain: int) -> np.ndarray:
    heart = CLASSES.index("heart")
    return np.mean([np.asarray(draw(Emblem(heart, colour, 0, domain, seed))).mean((0, 1)) for seed in range(4)], axis=0)


@pytest.mark.parametrize("domain", range(len(DOMAINS)), ids=DOMAINS)
def test_red_is_redder_than_blue_in_every_domain(domain):
    red, blue = (mean_colour(COLOURS.index(name), domain) for name in ("red", "blue"))
    assert red[0] - blue[0] > 3
    assert blue[2] - red[2] > 3


def test_a_texture_changes_the_picture_and_nothing_but_the_texture():
    plain, striped = (draw(Emblem(11, 0, TEXTURES.index(name), 2, 7)) for name in ("plain", "striped"))
    assert plain.tobytes() != striped.tobytes()
    corner = (0, 0, 6, 6)
    assert plain.crop(corner).tobytes() == striped.crop(corner).tobytes()


def test_a_digest_names_all_that_determines_the_picture():
    base = Emblem(1, 2, 3, 4, 5)
    others = [
        Emblem(0, 2, 3, 4, 5),
        Emblem(1, 0, 3, 4, 5),
        Emblem(1, 2, 0, 4, 5),
        Emblem(1, 2, 3, 0, 5),
        Emblem(1, 2, 3, 4, 0),
    ]
    assert len({emblem.digest() for emblem in (base, *others)}) == 6
    assert base.digest() == Emblem(1, 2, 3, 4, 5).digest()
