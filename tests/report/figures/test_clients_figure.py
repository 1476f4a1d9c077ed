"""Figure of client heterogeneity: map, colours, pairs and comparison."""

import numpy as np
import pytest
from tests.report.figures.conftest import measured, pixels_of

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.report.figures.clients_figure import draw_clients
from fedsilo.report.figures.compared_partitions_figure import draw_compared

PALETTE = ((0, 114, 178), (230, 159, 0), (0, 158, 115))


@pytest.mark.parametrize(
    ("clients", "features", "classes"), [(1, True, 4), (2, False, 4), (8, True, 4), (40, True, 30), (90, False, 30)]
)
def test_any_number_of_clients_fits_a_page(clients, features, classes, tmp_path):
    found = measured(ComposedPartition(clients, label=Dirichlet(0.3)), features, classes, size=max(120, 5 * clients))
    draw_clients(found.manifest, found.scores, tmp_path / "clients.png", found.name)
    pixels = pixels_of(tmp_path / "clients.png")
    height, width, _ = pixels.shape
    assert 800 < width < 2200
    assert 800 < height < 1600
    border = np.concatenate([pixels[:8].ravel(), pixels[-8:].ravel(), pixels[:, :8].ravel(), pixels[:, -8:].ravel()])
    assert (border == 255).all()


def test_clients_of_domains_have_the_domains_colours(tmp_path):
    found = measured(ComposedPartition(feature=Domains()))
    draw_clients(found.manifest, found.scores, tmp_path / "clients.png", found.name)
    pixels = pixels_of(tmp_path / "clients.png")
    assert all((pixels == colour).all(axis=2).sum() > 100 for colour in PALETTE)


def test_the_same_scores_give_the_same_bytes(tmp_path):
    found = measured(ComposedPartition(5, label=Dirichlet(0.3)))
    for name in ("one.png", "two.png"):
        draw_clients(found.manifest, found.scores, tmp_path / name, found.name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_strange_names_are_drawn_as_they_are(tmp_path):
    found = measured(
        ComposedPartition(4, label=Dirichlet(0.1)), names=("a $cost$ of x_y", "日本語", "$\\frac$", "x" * 90)
    )
    draw_clients(found.manifest, found.scores, tmp_path / "clients.png", "$\\frac$")
    draw_compared([found, found], tmp_path / "compared.png")
