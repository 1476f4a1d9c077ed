"""Examples of one client in a frozen partition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fedsilo.core import Indices, LabelledImages, Share


@dataclass(frozen=True, slots=True)
class ClientHoldings:
    """Examples of one client.

    Attributes:
        number: The client's number, from 0.
        name: Name for the user, for example "client 03".
        domain: The one domain of its images, or "" if they are mixed.
        train: Positions in the training split, ascending.
        test: Positions in the test split, ascending.
        train_classes: (K,) training examples of each class.
        test_classes: (K,) test examples of each class.
        train_domains: (D,) training examples of each domain.
        test_domains: (D,) test examples of each domain.
        seen: Whether the client trains; False: it is only measured.
        alteration: Corruption of all its images, for example "blur 3"; "" for none.
        train_labels: The client's own labels of its training images; empty: the data's labels.
        test_labels: The client's own labels of its test images; empty: the data's labels.
    """

    number: int
    name: str
    domain: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    train_classes: tuple[int, ...]
    test_classes: tuple[int, ...]
    train_domains: tuple[int, ...]
    test_domains: tuple[int, ...]
    seen: bool = True
    alteration: str = ""
    train_labels: tuple[int, ...] = ()
    test_labels: tuple[int, ...] = ()

    @property
    def share(self) -> Share:
        """The share from which these holdings were made."""
        return Share(
            train=np.array(self.train, dtype=np.int64),
            test=np.array(self.test, dtype=np.int64),
            domain=self.domain,
            seen=self.seen,
            alteration=self.alteration,
            train_labels=_labels(self.train_labels),
            test_labels=_labels(self.test_labels),
        )

    @property
    def deviations(self) -> list[Any]:
        """Everything that sets the client apart except its images; empty for an ordinary client."""
        return [] if self == _ordinary(self) else [self.seen, self.alteration, self.train_labels, self.test_labels]


def _ordinary(holding: ClientHoldings) -> ClientHoldings:
    return replace(holding, seen=True, alteration="", train_labels=(), test_labels=())


def _labels(labels: tuple[int, ...]) -> Indices | None:
    return np.array(labels, dtype=np.int64) if labels else None


def make_holdings(images: LabelledImages, share: Share, number: int, name: str) -> ClientHoldings:
    """Describes a client's share.

    Args:
        images: The data.
        share: The client's share.
        number: The client's number, from 0.
        name: The client's name.

    Returns:
        The holdings, with the counts of classes and domains.
    """
    return ClientHoldings(
        number=number,
        name=name,
        domain=share.domain,
        train=tuple(share.train.tolist()),
        test=tuple(share.test.tolist()),
        train_classes=_histogram(images.train.labels[share.train], len(images.classes)),
        test_classes=_histogram(images.test.labels[share.test], len(images.classes)),
        train_domains=_histogram(images.train.domains[share.train], len(images.domains)),
        test_domains=_histogram(images.test.domains[share.test], len(images.domains)),
        seen=share.seen,
        alteration=share.alteration,
        train_labels=() if share.train_labels is None else tuple(share.train_labels.tolist()),
        test_labels=() if share.test_labels is None else tuple(share.test_labels.tolist()),
    )


def _histogram(values: Indices, bins: int) -> tuple[int, ...]:
    return tuple(np.bincount(values, minlength=bins).tolist())
