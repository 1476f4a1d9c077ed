import json
from dataclasses import replace

import numpy as np
import pytest

from fedsilo.core.errors import DataError, RunError
from fedsilo.partitioning.heterogeneity.client_embedding import project_to_plane
from fedsilo.partitioning.heterogeneity.label_scores import score_random_counts
from fedsilo.partitioning.heterogeneity.measured_sample import sample_images, sample_pairs
from fedsilo.partitioning.heterogeneity.null_scores import compare, remove_chance, score_random_deals
from fedsilo.partitioning.heterogeneity.scores import SCORES, Scores
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet


def test_scores_come_back_as_they_were_written(emblems, tmp_path):
    scores = emblems.measure(ComposedPartition(4, label=Dirichlet(0.5)))
    scores.write(tmp_path / "heterogeneity.json")
    assert Scores.read(tmp_path / "heterogeneity.json") == scores
    written = json.loads((tmp_path / "heterogeneity.json").read_text())
    of_pairs = ("attribute_shift", "attribute_distance", "object_shift", "object_distance")
    assert [entry["name"] for entry in written["scores"]] == [name for name in SCORES if name not in of_pairs]
    assert all(entry["meaning"] and entry["verdict"] for entry in written["scores"])


def test_what_is_no_scores_file_is_refused(emblems, tmp_path):
    path = tmp_path / "heterogeneity.json"
    with pytest.raises(RunError, match="cannot be read"):
        Scores.read(path)
    path.write_text('{"format": "another"}')
    with pytest.raises(DataError, match="not scores of a partition"):
        Scores.read(path)
    emblems.measure(ComposedPartition(4, label=Dirichlet(0.5))).write(path)
    document = json.loads(path.read_text())
    del document["scores"][0]["null"]["p"]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="damaged scores"):
        Scores.read(path)
    with pytest.raises(RunError, match="cannot be written"):
        replace(emblems.measure(ComposedPartition(4, label=Dirichlet(0.5))), notes=()).write(
            tmp_path / "none" / "x.json"
        )


def test_a_value_is_placed_among_the_draws_of_its_null():
    null = compare(3.0, np.array([1.0, 2.0, 3.0, 4.0]))
    assert (null.mean, null.p, null.deals) == (2.5, 3 / 5, 4)
    assert null.high == pytest.approx(3.85)
    assert compare(9.0, np.arange(19.0)).p == 11 / 20
    assert compare(99.0, np.arange(19.0)).p == 1 / 20


def test_chance_is_taken_out_by_squares():
    assert remove_chance(5.0, 3.0) == 4.0
    assert remove_chance(1.0, 3.0) == 0.0


def test_random_deals_keep_sizes():
    owners = np.repeat([0, 1, 2], [5, 1, 3])
    draws = score_random_deals(lambda dealt: np.bincount(dealt).astype(float), owners, 7, seed=0)
    assert (draws == [5, 1, 3]).all()
    assert (
        len({tuple(row) for row in score_random_deals(lambda dealt: dealt.astype(float), owners, 7, seed=0).tolist()})
        > 1
    )


def test_random_deals_of_labels_keep_the_sizes_of_clients_and_classes():
    counts = np.array([[5, 0, 1], [0, 3, 0]])

    def margins(dealt):
        return np.concatenate([dealt.sum(axis=0), dealt.sum(axis=1)]).astype(float)

    assert (score_random_counts(margins, counts, 9, seed=0) == [5, 3, 1, 6, 3]).all()


@pytest.mark.parametrize(("clients", "limit"), [(2, 10), (5, 10), (6, 10), (10_000, 500)])
def test_pairs_are_all_or_different_ones(clients, limit):
    pairs = sample_pairs(clients, limit, np.random.default_rng(0))
    assert len(pairs) == min(limit, clients * (clients - 1) // 2) == len({tuple(pair) for pair in pairs.tolist()})
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert pairs.min() >= 0
    assert pairs.max() < clients


def test_one_client_has_no_pairs():
    assert sample_pairs(1, 10, np.random.default_rng(0)).shape == (0, 2)


@pytest.mark.parametrize(
    ("sizes", "limit", "taken"),
    [
        ([5, 5], 100, [5, 5]),
        ([50, 50, 50], 30, [10, 10, 10]),
        ([3, 50, 50], 43, [3, 20, 20]),
        ([9, 0, 9], 100, [9, 9]),
        ([20], 7, [7]),
    ],
)
def test_clients_give_equally_many_images(sizes, limit, taken):
    starts = np.cumsum([0, *sizes])
    holdings = [list(range(start, start + size)) for start, size in zip(starts[:-1].tolist(), sizes, strict=True)]
    sample = sample_images(holdings, limit, np.random.default_rng(0))
    assert np.bincount(sample.owners).tolist() == taken
    for client, owner in zip(sample.clients, range(len(sample.clients)), strict=True):
        assert set(sample.positions[sample.owners == owner]) <= set(holdings[client])
    assert len(set(sample.positions)) == len(sample.positions) <= limit


def test_of_many_clients_some_are_measured_well_enough():
    sample = sample_images([list(range(40 * n, 40 * n + 40)) for n in range(500)], 200, np.random.default_rng(0))
    assert len(sample.clients) == 25
    assert np.bincount(sample.owners).tolist() == [8] * 25


@pytest.mark.parametrize("shape", [(3, 40), (40, 3), (5, 5)])
def test_a_map_of_flat_points_keeps_their_distances(shape):
    clients, width = shape
    generator = np.random.default_rng(0)
    plane = generator.normal(0, 1, (clients, 2)) @ np.linalg.qr(generator.normal(0, 1, (width, 2)))[0].T
    places, shown = project_to_plane(plane + 7)

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=2)

    assert distances(places) == pytest.approx(distances(plane), abs=1e-9)
    assert shown == pytest.approx(1)
    assert places.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)


def test_points_of_one_width_are_mapped_on_a_line():
    places, shown = project_to_plane(np.array([[0.0], [1.0], [3.0]]))
    assert np.ptp(places[:, 0]) == pytest.approx(3)
    assert not places[:, 1].any()
    assert shown == 1
