import numpy as np
import pytest

from fedsilo.partitioning.heterogeneity.label_scores import measure_labels, score_random_counts


def test_random_deals_of_labels_keep_the_sizes_of_clients_and_classes():
    counts = np.array([[5, 0, 1], [0, 3, 0]])

    def margins(dealt):
        return np.concatenate([dealt.sum(axis=0), dealt.sum(axis=1)]).astype(float)

    assert (score_random_counts(margins, counts, 9, seed=0) == [5, 3, 1, 6, 3]).all()


def test_one_in_twenty_alike_partitions_is_called_unlike(emblems):
    # 200 deals at 5 %: ten expected, with a standard deviation of 3.1.
    sizes, labels = np.repeat(np.arange(5), [20, 10, 30, 15, 25]), np.repeat(np.arange(4), 25)
    found = []
    for seed in range(200):
        dealt = np.random.default_rng(seed).permutation(labels)
        counts = np.bincount(sizes * 4 + dealt, minlength=20).reshape(5, 4)
        found.append([score.null.p for score in measure_labels(counts, np.arange(5), seed).scores])
    alarms = (np.array(found) <= 0.05).sum(axis=0)
    assert ((alarms >= 2) & (alarms <= 20)).all()
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)
