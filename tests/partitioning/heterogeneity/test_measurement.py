"""Scores are within their null for alike clients and grow with every kind of shift."""

import numpy as np
import pytest

from fedsilo.core import Share
from fedsilo.partitioning.heterogeneity import measure
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet

FEATURES = ("feature_sliced", "feature_transport", "labelled_transport")


def of(scores, name):
    found = scores.score(name)
    assert found is not None
    return found


def test_alike_clients_are_within_the_null(emblems):
    p = [[score.null.p for score in emblems.measure(ComposedPartition(5), seed).scores] for seed in range(6)]
    assert np.median(p, axis=0).min() > 0.15
    assert np.mean(np.array(p) <= 0.05) < 0.2


def test_every_score_grows_as_beta_falls(emblems):
    scores = [emblems.measure(ComposedPartition(5, label=Dirichlet(beta))) for beta in (100, 0.5, 0.05)]
    for name in ("label_shift", "label_distance", "label_total_variation", "label_transport", *FEATURES):
        even, some, strong = (of(found, name).beyond_chance for found in scores)
        assert even < some < strong, name
        assert not of(scores[2], name).within_null
        assert of(scores[2], name).value < of(scores[2], name).most
    assert all(of(scores[0], name).within_null for name in ("label_shift", *FEATURES))


@pytest.mark.parametrize("data", ["emblems", "office"])
def test_domains_are_further_apart_than_parts_of_one(data, request):
    gallery = request.getfixturevalue(data)
    halves = ComposedPartition(2 * len(gallery.images.domains), label=Dirichlet(50.0), feature=Domains())
    scores = gallery.measure(halves)
    domains = [client.domain for client in gallery.manifest(halves).clients]
    table = next(found for found in scores.pairwise if found.name == "feature_sliced")
    within = [v for (a, b), v in zip(table.pairs, table.values, strict=True) if domains[a] == domains[b]]
    between = [v for (a, b), v in zip(table.pairs, table.values, strict=True) if domains[a] != domains[b]]
    assert len(within) == 4
    assert np.mean(between) > 1.3 * np.mean(within)
    assert np.median(between) > max(within)


@pytest.mark.parametrize("data", ["emblems", "office"])
def test_domains_are_beyond_chance_in_features(data, request):
    scores = request.getfixturevalue(data).measure(ComposedPartition(feature=Domains()))
    assert not any(of(scores, name).within_null for name in FEATURES)
    assert of(scores, "feature_sliced").value > 1.5 * of(scores, "feature_sliced").null.mean


def test_the_same_partition_has_the_same_scores(emblems):
    assert emblems.measure(ComposedPartition(5, label=Dirichlet(0.5))) == emblems.measure(
        ComposedPartition(5, label=Dirichlet(0.5))
    )


def test_clients_without_training_images_count_in_sizes_only(emblems):
    shares = ComposedPartition(4, label=Dirichlet(0.5)).split(emblems.images, np.random.default_rng(0), emblems.look)
    unseen = Share(shares[0].train[:0], shares[0].test[:1])
    more, fewer = emblems.measure([*shares, unseen]), emblems.measure(shares)
    assert [score.value for score in more.scores] == [score.value for score in fewer.scores]
    assert more.label_shift == (*fewer.label_shift, None)
    assert more.feature_shift == (*fewer.feature_shift, None)
    assert more.map.clients == (0, 1, 2, 3)
    assert "1 of 5 clients have no training image: they count in sizes only." in more.notes
    assert (more.sizes.smallest, more.sizes.effective_clients) == (0, fewer.sizes.effective_clients)


@pytest.mark.parametrize("pictures", [True, False])
def test_a_single_client_has_no_shift(emblems, pictures):
    manifest = emblems.manifest(ComposedPartition(1))
    scores = measure(manifest, emblems.pictured(manifest) if pictures else None)
    assert [score.value for score in scores.scores] == pytest.approx([0.0] * len(scores.scores), abs=1e-7)
    assert all(score.within_null for score in scores.scores)
    assert scores.map.places == ((0.0, 0.0),)


def test_labels_alone_need_no_features(emblems):
    scores = measure(emblems.manifest(ComposedPartition(5, label=Dirichlet(0.1))), None, "asked so")
    assert [score.name for score in scores.scores] == ["label_shift", "label_distance", "label_total_variation"]
    assert (scores.map.of, scores.images, scores.feature_shift) == ("labels", 0, (None,) * 5)
    assert scores.notes == ("image features were not measured: asked so.",)
