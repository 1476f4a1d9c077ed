"""Figure of a partition: any number of clients, colours, names, and equal bytes."""

import sys

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples, LabelledImages
from fedsilo.partitioning.manifest import freeze
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.report.figures.partition_figure import draw_partition


def blank(i):
    return Image.new("RGB", (1, 1))


def manifest(clients, classes=6, domains=3, names=None):
    generator = np.random.default_rng(0)

    def examples(size):
        labels, origins = generator.integers(0, classes, size), generator.integers(0, domains, size)
        return Examples(labels, origins, blank, tuple(map(str, range(size))))

    images = LabelledImages(
        classes=names or tuple(f"class {i}" for i in range(classes)),
        domains=tuple(f"domain {i}" for i in range(domains)),
        template="a {}",
        train=examples(30 * clients),
        test=examples(10 * clients),
    )
    shares = ComposedPartition(clients, Dirichlet(0.3)).split(images, generator, look=None)
    return freeze(images, shares, {"name": "dirichlet", "clients": clients, "beta": 0.3}, 0)


def drawn(path, *arguments, **options):
    draw_partition(manifest(*arguments, **options), path, "a title")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(("clients", "classes"), [(1, 2), (4, 6), (100, 12), (10, 99)])
def test_any_number_of_clients_fits_a_page(clients, classes, tmp_path):
    pixels = drawn(tmp_path / "picture.png", clients, classes)
    height, width, _ = pixels.shape
    assert 800 < width < 2500
    assert 500 < height < 2200
    # Nothing touches the border: no text or panel is cut off.
    border = np.concatenate([pixels[:8].ravel(), pixels[-8:].ravel(), pixels[:, :8].ravel(), pixels[:, -8:].ravel()])
    assert (border == 255).all()


def test_the_domains_colours_are_in_the_picture_and_no_others(tmp_path):
    pixels = drawn(tmp_path / "picture.png", 4, domains=2)
    found = [(pixels == colour).all(axis=2).sum() for colour in ((0, 114, 178), (230, 159, 0), (0, 158, 115))]
    assert min(found[:2]) > 500
    assert found[2] == 0


def test_the_same_partition_gives_the_same_bytes(tmp_path):
    for name in ("one.png", "two.png"):
        drawn(tmp_path / name, 4)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_strange_class_names_are_drawn_as_they_are(tmp_path):
    drawn(tmp_path / "picture.png", 4, 4, names=("a $cost$ of x_y", "日本語", "$\\frac$", "x" * 90))


def test_pyplot_and_its_global_state_stay_out(tmp_path):
    before = "matplotlib.pyplot" in sys.modules
    drawn(tmp_path / "picture.png", 4)
    assert ("matplotlib.pyplot" in sys.modules) == before
