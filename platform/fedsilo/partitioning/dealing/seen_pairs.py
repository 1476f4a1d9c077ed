"""Compositions for rules that know classes only: rules split the seen pairs, images of unseen pairs are dealt equally.

A rule gets the data with the seen pairs as its classes, so no label shift meets a class without training images, and a
long tail ranks seen pairs only. Test images of unseen pairs belong to no client's training: equal parts of them, drawn
from the seed, go to all clients that train on images of the same domain.

Dimensions: S seen pairs, K pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fedsilo.core import Indices, LabelledImages, Share
from fedsilo.core.data import Pairs
from fedsilo.core.seeds import numpy_generator
from fedsilo.partitioning.dealing.post_partition_steps import Split


def split_seen_pairs(images: LabelledImages, split: Split, seed: int) -> list[Share]:
    """Splits compositions by a rule for classes; other data is split as it is.

    Args:
        images: The data.
        split: Splits the images that it is given.
        seed: Seed of the scenario.

    Returns:
        One share per client, in client order.
    """
    if images.pairs is None:
        return split(images)
    trained = np.flatnonzero(images.pairs.seen[images.test.labels])
    shares = [replace(share, test=trained[share.test]) for share in split(_seen_only(images, images.pairs, trained))]
    others = np.flatnonzero(~images.pairs.seen[images.test.labels])
    return _deal_unseen(images, shares, others, numpy_generator(seed, "test images of unseen pairs"))


def _seen_only(images: LabelledImages, pairs: Pairs, trained: Indices) -> LabelledImages:
    """The data with S classes, and with the test images of these only."""
    count = int(pairs.seen.sum())
    seen = Pairs(
        attributes=pairs.attributes,
        objects=pairs.objects,
        attribute=pairs.attribute[:count],
        object=pairs.object[:count],
        seen=pairs.seen[:count],
        test=pairs.test[:count],
        validation=pairs.validation[:count],
    )
    return replace(images, classes=images.classes[:count], test=images.test.take(trained), pairs=seen)


def _deal_unseen(
    images: LabelledImages, shares: Sequence[Share], others: Indices, generator: np.random.Generator
) -> list[Share]:
    """Shares with equal parts of test images that no client trains on, domain by domain."""
    domains = [np.unique(images.train.domains[share.train]) for share in shares]
    more: list[list[Indices]] = [[] for _ in shares]
    for domain in range(len(images.domains)):
        found = generator.permutation(others[images.test.domains[others] == domain])
        takers = [client for client, own in enumerate(domains) if domain in own] or list(range(len(shares)))
        # In drawn order, so that the first clients do not get all of what does not divide evenly.
        for client, part in zip(generator.permutation(takers), np.array_split(found, len(takers)), strict=True):
            more[client].append(part)
    return [
        replace(share, test=np.sort(np.concatenate([share.test, *parts])))
        for share, parts in zip(shares, more, strict=True)
    ]
