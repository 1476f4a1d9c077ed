"""Colours and distances of the map of clients."""

from dataclasses import replace

from tests.report.figures.conftest import measured

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.report.figures.client_map import Colouring, arrange_matrix, find_pairs


def test_colours_are_domains_where_clients_have_them_and_classes_else():
    assert Colouring.of_clients(measured(ComposedPartition(feature=Domains())).manifest).of == "domain"
    mixed = measured(ComposedPartition(4, label=Dirichlet(0.3))).manifest
    found = Colouring.of_clients(mixed)
    assert found.of == "largest class"
    assert found.client.tolist() == mixed.train_counts().argmax(axis=1).tolist()


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
