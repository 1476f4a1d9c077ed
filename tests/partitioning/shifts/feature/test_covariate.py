import numpy as np
import pytest

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.covariate import Covariate


def look_of(images, corners=3):
    """Features around three directions, by position; how often it was asked."""
    asked = []

    def look(examples):
        asked.append(len(examples))
        noise = np.random.default_rng(0).normal(0, 0.05, (len(examples), corners))
        features = (
            np.eye(corners)[
                [int(digest.removeprefix("train").removeprefix("test"), 16) % corners for digest in examples.digests]
            ]
            + noise
        )
        return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)

    return look, asked


def test_each_client_draws_from_one_cluster_in_train_and_test(toy):
    images = toy(train=300, test=150)
    look, asked = look_of(images)
    shares = ComposedPartition(7, feature=Covariate(3)).split(images, np.random.default_rng(0), look)
    assert asked == [300, 150]
    looks = [({*(share.train % 3)}, {*(share.test % 3)}) for share in shares]
    assert all(train == test and len(train) == 1 for train, test in looks)
    assert [share.domain for share in shares] == ["cluster 0"] * 3 + ["cluster 1"] * 2 + ["cluster 2"] * 2
    assert sum(len(share.train) for share in shares) == 300


@pytest.mark.parametrize("clients", [None, 3])
def test_there_is_a_client_for_each_cluster_unless_a_number_is_asked_for(clients, toy):
    images = toy(train=90, test=60)
    shares = ComposedPartition(clients, feature=Covariate(3)).split(
        images, np.random.default_rng(0), look_of(images)[0]
    )
    assert sorted(len(share.train) for share in shares) == [30, 30, 30]
