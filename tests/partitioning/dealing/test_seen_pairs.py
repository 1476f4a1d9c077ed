"""Compositions under every rule: seen pairs are split as classes are, images of unseen pairs go equally to all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fedsilo.core import LabelledImages, Partition
from fedsilo.core.errors import DataError
from fedsilo.data.datasets.emblems_pairs import EmblemsPairs
from fedsilo.partitioning.manifest import Manifest
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.rules.homo import Homo
from fedsilo.partitioning.rules.manifest import FromManifest
from fedsilo.partitioning.rules.noniid_labeldir import NoniidLabeldir
from fedsilo.partitioning.rules.pathological import Pathological
from fedsilo.partitioning.shifts.concept.label_noise import LabelNoise
from fedsilo.partitioning.shifts.concept.permutation import Permutation
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.label.attributes import Attributes
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.label.dirichlet_by_client import DirichletByClient
from fedsilo.partitioning.shifts.label.objects import Objects
from fedsilo.partitioning.shifts.label.pairs import OwnedPairs
from fedsilo.partitioning.shifts.label.shards import Shards
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal
from fedsilo.simulation.preparation import partition_of

RULES: dict[str, Partition] = {
    "iid": ComposedPartition(4, test="client"),
    "dirichlet": ComposedPartition(4, Dirichlet(0.1), test="client"),
    "dirichlet, large minimum": ComposedPartition(4, Dirichlet(0.05), min_test=20, min_train=30, test="client"),
    "dirichlet by client": ComposedPartition(4, DirichletByClient(0.1), test="client"),
    "classes": ComposedPartition(4, Classes(), test="client"),
    "shards": ComposedPartition(4, Shards(), test="client"),
    "attributes": ComposedPartition(4, Attributes(), test="client"),
    "objects": ComposedPartition(4, Objects(), test="client"),
    "objects, sizes": ComposedPartition(4, Objects(), quantity=Lognormal(), test="client"),
    "pairs": ComposedPartition(4, OwnedPairs(), test="client"),
    "shared pairs": ComposedPartition(4, OwnedPairs(shared=0.5), test="client"),
    "mixture": ComposedPartition(4, Dirichlet(0.3), Mixture(), test="client"),
    "sizes": ComposedPartition(4, Dirichlet(0.3), quantity=Lognormal(), test="client"),
    "homo": Homo(4, test="client"),
    "noniid-labeldir": NoniidLabeldir(4, least=5, test="client"),
    "pathological": Pathological(4, fixed_draw=None, test="client"),
}


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    return EmblemsPairs().load(0)


def no_look(examples: Any) -> Any:
    raise AssertionError("nothing here asks for features")


def partition(images: LabelledImages, rule: Partition, seed: int = 0) -> tuple[LabelledImages, Manifest]:
    data = SimpleNamespace(load=lambda s: images)
    scenario: Any = SimpleNamespace(partition=rule, seed=seed, data=data)
    return partition_of(scenario, no_look)


def shares_of(images: LabelledImages, rule: Partition, seed: int = 0) -> list[Any]:
    return partition(images, rule, seed)[1].shares()


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_unseen_pairs_go_to_all_clients_in_equal_parts(rule: Partition, images: LabelledImages) -> None:
    shares = shares_of(images, rule)
    assert images.pairs is not None
    seen = images.pairs.seen[images.test.labels]
    held = np.concatenate([share.test for share in shares])
    assert len(set(held)) == len(held)
    unseen = [int((~seen[share.test]).sum()) for share in shares]
    assert sum(unseen) == (~seen).sum() == 114
    assert max(unseen) - min(unseen) <= len(images.domains)
    assert all(seen[share.test].any() for share in shares)
    assert all((np.diff(share.test) > 0).all() for share in shares)


GLOBAL = {
    "iid": ComposedPartition(500),
    "dirichlet": ComposedPartition(400, Dirichlet(1.0)),
    "domains": ComposedPartition(450, feature=Domains()),
    "mixture": ComposedPartition(400, feature=Mixture()),
    "large minimum": ComposedPartition(4, min_test=300),
}


@pytest.mark.parametrize("rule", GLOBAL.values(), ids=GLOBAL)
def test_clients_that_share_all_test_images_need_none_of_their_own(
    rule: ComposedPartition, images: LabelledImages
) -> None:
    """There are 348 test images of seen pairs, and 462 in all."""
    shares = shares_of(images, rule)
    assert len(shares) == rule.clients
    assert all(len(share.train) and len(share.test) == 462 for share in shares)
    with pytest.raises(DataError, match="test example"):
        shares_of(images, replace(rule, test="client"))


def test_seen_test_images_follow_the_training_images(images: LabelledImages) -> None:
    for share in shares_of(images, RULES["objects"]):
        own = set(images.train.labels[share.train])
        labels = images.test.labels[share.test]
        assert {label for label in labels.tolist() if label < 116} <= own


def test_the_same_rule_without_unseen_pairs_deals_the_seen_ones_alike(images: LabelledImages) -> None:
    """What is dealt of the seen pairs does not depend on how many unseen ones there are."""
    assert images.pairs is not None
    opened = EmblemsPairs(world="open").load(0)
    for name in ("dirichlet", "dirichlet by client", "classes", "attributes"):
        both = zip(shares_of(images, RULES[name]), shares_of(opened, RULES[name]), strict=True)
        assert all(
            np.array_equal(one.train, other.train) and np.array_equal(one.test, other.test) for one, other in both
        )


def test_unseen_pairs_stay_in_the_domain_of_a_client(images: LabelledImages) -> None:
    shares = shares_of(images, ComposedPartition(6, feature=Domains(), test="client"))
    for share in shares:
        assert set(images.test.domains[share.test]) == {images.domains.index(share.domain)}
        assert (images.test.labels[share.test] >= 116).sum() == 19


def test_a_long_tail_acts_on_seen_pairs(images: LabelledImages) -> None:
    shares = shares_of(images, ComposedPartition(2, long_tail=6.0))
    counts = np.bincount(images.train.labels[np.concatenate([share.train for share in shares])])
    assert len(counts) == 116
    assert (counts.min(), counts.max()) == (1, 6)
    # Half of the ranks keep more than 6 ** 0.5 = 2.4 images, which they would not if unseen pairs had ranks.
    assert (counts >= 3).sum() == pytest.approx(58, abs=8)


def test_auto_is_global_for_compositions_and_written_so(images: LabelledImages, toy: Any) -> None:
    _, manifest = partition(images, ComposedPartition(3))
    assert manifest.rule["test"] == "global"
    assert all(len(share.test) == len(images.test) for share in manifest.shares())
    plain = toy(train=60, test=60, classes=4)
    _, manifest = partition(plain, ComposedPartition(3))
    assert manifest.rule["test"] == "client"
    assert sum(len(share.test) for share in manifest.shares()) == 60


def test_another_seed_deals_unseen_pairs_otherwise(images: LabelledImages) -> None:
    found = [shares_of(images, RULES["iid"], seed)[0].test for seed in (0, 0, 1)]
    one, again, other = ({place for place in test.tolist() if images.test.labels[place] >= 116} for test in found)
    assert one == again != other


@pytest.mark.parametrize("test", ["client", "global"])
def test_a_manifest_gives_its_shares_back(test: str, images: LabelledImages, tmp_path: Any) -> None:
    _, manifest = partition(images, ComposedPartition(3, Objects(), test=test))
    manifest.write(tmp_path / "p.json")
    assert Manifest.read(tmp_path / "p.json") == manifest
    again = partition(images, FromManifest(file=str(tmp_path / "p.json")))[1]
    assert again.split_sha256 == manifest.split_sha256


def test_a_manifest_of_other_validation_images_is_refused(images: LabelledImages, tmp_path: Any) -> None:
    _, manifest = partition(images, ComposedPartition(3))
    manifest.write(tmp_path / "p.json")
    other = EmblemsPairs(validation_per_pair_and_domain=2).load(0)
    with pytest.raises(DataError, match="made from other data"):
        partition(other, FromManifest(file=str(tmp_path / "p.json")))


def test_a_manifest_of_plain_classes_has_no_words(toy: Any, tmp_path: Any) -> None:
    _, manifest = partition(toy(train=60, test=60, classes=4), ComposedPartition(3))
    manifest.write(tmp_path / "p.json")
    assert "attributes" not in (tmp_path / "p.json").read_text()
    assert Manifest.read(tmp_path / "p.json") == manifest


@pytest.mark.parametrize("concept", [LabelNoise(rate=0.9, clients=1.0), Permutation(clients=1.0)])
def test_no_concept_shift_makes_an_unseen_pair_of_a_training_image(concept: Any, images: LabelledImages) -> None:
    for share in shares_of(images, ComposedPartition(3, concept=concept)):
        assert share.train_labels is not None
        assert share.train_labels.max() < 116
        if share.test_labels is not None:
            unseen = images.test.labels[share.test] >= 116
            assert np.array_equal(share.test_labels[unseen], images.test.labels[share.test][unseen])


def test_base_to_new_is_refused(images: LabelledImages) -> None:
    from fedsilo.core import Unseen

    with pytest.raises(DataError, match=r"partition\.unseen\.classes: compositions have unseen pairs already"):
        partition(images, ComposedPartition(3, unseen=Unseen(classes=0.5)))
