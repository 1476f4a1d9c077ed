import numpy as np
import pytest

from fedsilo.partitioning.heterogeneity import SampleFeatures
from fedsilo.partitioning.heterogeneity.image_scores import SlicedDistances, measure_exactly
from fedsilo.partitioning.heterogeneity.measured_sample import ImageSample


def test_so_it_is_for_features(emblems):
    found = []
    for seed in range(40):
        rows = np.random.default_rng(seed).permutation(len(emblems.features))[:60]
        owners = np.repeat(np.arange(4), [10, 20, 5, 25])
        sample = ImageSample(np.arange(4), rows, owners)
        labels = emblems.images.train.labels[rows]
        pictured = SampleFeatures("tiny", sample, emblems.features[rows], labels, emblems.class_features)
        found.append(SlicedDistances(pictured, seed).measure().scores[0].null.p)
    assert np.sum(np.array(found) <= 0.05) <= 6
    assert np.mean(found) == pytest.approx(0.5, abs=0.15)


def test_features_move_with_the_severity_of_a_corruption(emblems, encode, noisy):
    rows = np.random.default_rng(3).permutation(len(emblems.features))[:80]
    sample = ImageSample(np.arange(2), np.arange(80), np.repeat([0, 1], 40))
    labels, found = emblems.images.train.labels[rows], []
    for deviation in (0, 25, 80):
        features = emblems.features[rows].copy()
        features[40:] = encode(noisy(emblems.images.train.take(rows[40:]), deviation))
        pictured = SampleFeatures("tiny", sample, features, labels, emblems.class_features)
        found.append(
            [part.scores[0] for part in (SlicedDistances(pictured, 0).measure(), *measure_exactly(pictured, 0))]
        )
    for clean, some, strong in zip(*found, strict=True):
        assert clean.within_null
        assert not strong.within_null
        assert clean.value < some.value < strong.value


def test_labels_that_mean_something_else_are_seen_by_the_labelled_distance_only(emblems):
    # The same images on both sides, but the second client has random classes, image by image.
    rows = np.random.default_rng(1).permutation(len(emblems.features))[:100]
    sample = ImageSample(np.arange(2), rows, np.repeat([0, 1], 50))
    labels = emblems.images.train.labels[rows].copy()
    labels[50:] = np.random.default_rng(2).permutation(labels[50:])
    pictured = SampleFeatures("tiny", sample, emblems.features[rows], labels, emblems.class_features)
    plain, labelled = (part.scores[0] for part in measure_exactly(pictured, 0))
    assert plain.within_null
    assert not labelled.within_null
