"""Partitions side by side."""

from tests.report.figures.conftest import measured, pixels_of

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.report.figures.compared_partitions_figure import draw_compared


def test_partitions_with_and_without_features_stand_side_by_side(tmp_path):
    several = [
        measured(ComposedPartition(feature=Domains())),
        measured(ComposedPartition(5, label=Dirichlet(0.1)), features=False),
        measured(ComposedPartition(5, label=Dirichlet(9.0))),
    ]
    draw_compared([*several, *several], tmp_path / "compared.png")
    pixels = pixels_of(tmp_path / "compared.png")
    assert pixels.shape[1] < 2600
    assert (pixels[:, -8:] == 255).all()
    assert (pixels[-8:] == 255).all()
