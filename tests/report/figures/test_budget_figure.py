"""Figure of a privacy budget: one release, no finite bound, and many releases."""

import math
import sys

import pytest
from PIL import Image

from fedsilo.privacy.accounting.epsilon_bounds import AccountedEpsilon
from fedsilo.privacy.accounting.epsilon_curve import EpsilonPoint
from fedsilo.report.figures.budget_figure import draw_spending


def points(count: int, scale: float = 1.0) -> list[EpsilonPoint]:
    return [
        EpsilonPoint(
            number, AccountedEpsilon(value, 1e-5, {"pld": value, "rdp": 1.1 * value, "without sampling": 50 * value})
        )
        for number in range(1, count + 1)
        for value in [scale * math.sqrt(number)]
    ]


def no_bound(number: int) -> EpsilonPoint:
    return EpsilonPoint(number, AccountedEpsilon(math.inf, 1e-5, {"closed form": math.inf, "rdp": math.inf}))


CURVES = (
    points(1),
    points(30),
    points(3, 0.0),
    points(5, 1e-7),
    points(5, 1e6),
    [no_bound(1)],
    [*points(3), no_bound(4)],
)


@pytest.mark.parametrize("title", ["🐱 \u65e5", "half \udce9", "\x1b[31m\n$x_1$"])
def test_any_title_is_drawn(tmp_path, title):
    draw_spending(points(2), tmp_path / "picture.png", title, title)
    assert (tmp_path / "picture.png").stat().st_size > 1000


@pytest.mark.parametrize("curve", CURVES)
def test_any_curve_is_drawn(tmp_path, curve):
    draw_spending(curve, tmp_path / "picture.png", "a $title$", "words_of $it", target=1.0)
    with Image.open(tmp_path / "picture.png") as image:
        assert image.size == (1050, 600)
        assert len(image.convert("RGB").getcolors(1 << 20)) > 20


def test_the_same_curve_is_the_same_picture(tmp_path):
    for name in ("one.png", "two.png"):
        draw_spending(points(9), tmp_path / name, "title", "words")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_pyplot_and_its_global_state_stay_out(tmp_path):
    before = "matplotlib.pyplot" in sys.modules
    draw_spending(points(9), tmp_path / "picture.png", "title", "words")
    assert ("matplotlib.pyplot" in sys.modules) == before
