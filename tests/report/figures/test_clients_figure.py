"""Figure of client heterogeneity: map, colours, pairs and comparison."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples, LabelledImages
from fedsilo.partitioning.heterogeneity import ImageSample, measure
from fedsilo.partitioning.heterogeneity.image_scores import SampleFeatures
from fedsilo.partitioning.manifest import freeze
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.report.figures.client_map import Colouring, arrange_matrix, find_pairs
from fedsilo.report.figures.clients_figure import draw_clients
from fedsilo.report.figures.compared_partitions_figure import draw_compared
from fedsilo.report.terminal.partition_table import MeasuredPartition

PALETTE = ((0, 114, 178), (230, 159, 0), (0, 158, 115))


def blank(i):
    return Image.new("RGB", (1, 1))


def measured(rule, features=True, classes=4, domains=3, size=120, names=None):
    """A partition of drawn labels, with features that tell domains apart."""
    generator = np.random.default_rng(0)

    def examples(number):
        labels, origins = generator.integers(0, classes, number), np.arange(number) % domains
        return Examples(labels, origins, blank, tuple(map(str, range(number))))

    images = LabelledImages(
        classes=names or tuple(f"class {i}" for i in range(classes)),
        domains=tuple(f"domain {i}" for i in range(domains)),
        template="a {}",
        train=examples(size),
        test=examples(size),
    )
    manifest = freeze(images, rule.split(images, generator, print), {"name": "rule"}, 0)
    pictured = None
    if features:
        holdings = [client.train for client in manifest.clients if client.train]
        sample = ImageSample(
            np.array([client.number for client in manifest.clients if client.train]),
            np.concatenate([np.array(held) for held in holdings]),
            np.repeat(np.arange(len(holdings)), [len(held) for held in holdings]),
        )
        found = generator.normal(0, 0.2, (len(sample.positions), 5))
        found[np.arange(len(found)), images.train.domains[sample.positions]] += 1
        labels = images.train.labels[sample.positions]
        pictured = SampleFeatures("toy", sample, found.astype(np.float32), labels, np.eye(classes, 5, dtype=np.float32))
    return MeasuredPartition("a title", manifest, measure(manifest, pictured))


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


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


def test_colours_are_domains_where_clients_have_them_and_classes_else():
    assert Colouring.of_clients(measured(ComposedPartition(feature=Domains())).manifest).of == "domain"
    mixed = measured(ComposedPartition(4, label=Dirichlet(0.3))).manifest
    found = Colouring.of_clients(mixed)
    assert found.of == "largest class"
    assert found.client.tolist() == mixed.train_counts().argmax(axis=1).tolist()


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


def test_the_square_has_every_pair_twice():
    found = measured(ComposedPartition(feature=Domains())).scores
    table = find_pairs(found, "feature_sliced")
    assert table is not None
    grid = arrange_matrix(table, found.map.clients)
    assert (grid == grid.T).all()
    assert not grid.diagonal().any()
    assert grid[0, 1] == dict(zip(table.pairs, table.values, strict=True))[0, 1]


def test_colours_follow_what_the_partition_calls_its_groups():
    manifest = measured(ComposedPartition(feature=Domains())).manifest
    named = [replace(client, domain=f"cluster {client.number % 2}") for client in manifest.clients]
    found = Colouring.of_clients(replace(manifest, clients=tuple(named)))
    assert (found.of, found.names) == ("domain", ("cluster 0", "cluster 1", "mixed"))
    altered = [replace(client, alteration="noise 2 seed 7" * (client.number == 1)) for client in manifest.clients]
    found = Colouring.of_clients(replace(manifest, clients=tuple(altered)))
    assert (found.of, found.names) == ("corruption", ("noise 2", "none"))
    assert [found.names[place] for place in found.client][:3] == ["none", "noise 2", "none"]
