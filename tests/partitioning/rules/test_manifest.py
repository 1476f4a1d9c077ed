import numpy as np
import pytest

from fedsilo.core.errors import DataError
from fedsilo.partitioning.manifest import freeze
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.rules.manifest import FromManifest
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet


def test_a_frozen_split_comes_back_whatever_the_generator(toy, tmp_path):
    images = toy()
    shares = ComposedPartition(6, Dirichlet(0.2)).split(images, np.random.default_rng(0), None)
    freeze(images, shares, {"name": "dirichlet"}, 0).write(tmp_path / "partition.json")
    again = FromManifest(str(tmp_path / "partition.json")).split(images, np.random.default_rng(99), None)
    for one, other in zip(shares, again, strict=True):
        assert np.array_equal(one.train, other.train)
        assert np.array_equal(one.test, other.test)
        assert one.domain == other.domain


def test_other_data_is_refused_with_all_differences(toy, tmp_path):
    images = toy()
    freeze(images, ComposedPartition(6, Dirichlet()).split(images, np.random.default_rng(0), None), {}, 0).write(
        tmp_path / "partition.json"
    )
    with pytest.raises(DataError) as caught:
        FromManifest(str(tmp_path / "partition.json")).split(toy(train=101, classes=6), np.random.default_rng(0), None)
    line = str(caught.value)
    assert "training examples 100 there, 101 here" in line
    assert "classes 5 (class 0, class 1, class 2, ...) there, 6 (" in line
    assert "fingerprint" in line
    assert "\n" not in line
