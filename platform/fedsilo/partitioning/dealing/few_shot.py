"""Few-shot training sets: after any split, a fixed number of training images of each class that a client has.

The papers' code resets Python's generator to 2023, shuffles the classes with it, and then draws the shots from the same
stream: client by client, and inside a client class by class in the order in which classes first appear in the training
list. So all of their seeds use the same images, and their deviations over seeds contain no chance of the data. Here
the seed determines the shots, and `shots_fixed_draw: 2023` draws those of the papers.

Source: FedOTP (arXiv:2403.00041) and CoOp (arXiv:2109.01134), whose loaders the papers share.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fedsilo.core import Indices, LabelledImages, Partition, Share
from fedsilo.core.seeds import numpy_generator, published_generator
from fedsilo.partitioning.dealing import example_assignment as assignment


def draw_shots(images: LabelledImages, shares: Sequence[Share], rule: Partition, seed: int) -> list[Share]:
    """Reduces shares to at most `rule.shots_by_class` training images of each class; test images stay.

    Args:
        images: The data.
        shares: One per client, in client order.
        rule: The partition that made them; without shots the shares stay as they are.
        seed: Seed of the scenario.

    Returns:
        One share per client.
    """
    if not rule.shots:
        return list(shares)
    shots = rule.shots_by_class(_owners(images, shares)).tolist()
    if rule.shots_fixed_draw is None:
        train = [_draw(images, share, shots, seed, client) for client, share in enumerate(shares)]
    else:
        stream = published_generator(rule.shots_fixed_draw)
        for length in rule.shuffle_lengths(len(images.classes)):
            stream.shuffle(list(range(length)))
        train = [_draw_as_published(images, share, shots, stream) for share in shares]
    few = assignment.make_shares(images, train, [share.test for share in shares])
    return [replace(a, train=b.train, domain=a.domain or b.domain) for a, b in zip(shares, few, strict=True)]


def _owners(images: LabelledImages, shares: Sequence[Share]) -> Indices:
    """(K,) number of clients that train on images of each class."""
    held = [np.unique(images.train.labels[share.train]) for share in shares if share.seen]
    return np.bincount(np.concatenate(held), minlength=len(images.classes))


def _draw(images: LabelledImages, share: Share, shots: Sequence[int], seed: int, client: int) -> Indices:
    generator = numpy_generator(seed, "shots", client=client)
    groups = _by_class(images, share, range(len(images.classes)))
    drawn = [generator.permutation(group)[: shots[label]] for label, group in groups]
    return np.concatenate(drawn) if drawn else share.train


def _draw_as_published(images: LabelledImages, share: Share, shots: Sequence[int], stream: random.Random) -> Indices:
    labels, first = np.unique(images.train.labels, return_index=True)
    drawn: list[int] = []
    for label, group in _by_class(images, share, labels[np.argsort(first)].tolist()):
        # All images of a class that is too small are used, and nothing is drawn for it.
        drawn += stream.sample(group.tolist(), shots[label]) if len(group) >= shots[label] else group.tolist()
    return np.array(drawn, dtype=np.int64)


def _by_class(images: LabelledImages, share: Share, order: Sequence[int]) -> Iterator[tuple[int, Indices]]:
    """Yields each class of the share, in the given order, with its training positions, ascending."""
    labels = images.train.labels[share.train]
    return ((label, share.train[labels == label]) for label in order if (labels == label).any())
