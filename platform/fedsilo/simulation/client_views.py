"""Which images a run needs, in which state, and where each client finds its own: one row for each.

Row i is image i of the split. Where clients alter their images, row i is image i as its first holder has it, and what
others have of the same image in another state comes behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedsilo.core import Examples, Indices
from fedsilo.partitioning.corruption.alteration import Alteration, alter_examples
from fedsilo.partitioning.manifest import Manifest
from fedsilo.simulation.feature_store import ClientIndices


@dataclass(frozen=True, slots=True)
class ClientViews:
    """The images of a split as clients have them.

    Attributes:
        examples: One per row; the split itself where no client alters its images.
        places: For each client the (n,) rows of its images, in the order of its positions.
    """

    examples: Examples
    places: tuple[Indices, ...]

    @property
    def held(self) -> Indices:
        """Rows that some client holds, ascending."""
        return np.unique(np.concatenate(self.places))


def list_rows(examples: Examples, held: Sequence[Indices], alterations: Sequence[str]) -> ClientViews:
    """Makes one row for each (image, alteration) that some client needs.

    Args:
        examples: The split.
        held: (n,) positions of each client in the split, in client order.
        alterations: Tags of alterations, "" for none, in client order.

    Returns:
        The rows, and where each client finds its own.
    """
    if not any(alterations):
        return ClientViews(examples, tuple(held))
    known = {tag: Alteration.parse(tag) for tag in set(alterations) if tag}
    rows: list[tuple[int, Alteration | None]] = [(position, None) for position in range(len(examples))]
    taken: dict[int, str] = {}
    behind: dict[tuple[int, str], int] = {}
    places = []
    for positions, tag in zip(held, alterations, strict=True):
        own = []
        for position in positions.tolist():
            if taken.setdefault(position, tag) == tag:
                rows[position] = (position, known.get(tag))
                own.append(position)
                continue
            if (position, tag) not in behind:
                behind[position, tag] = len(rows)
                rows.append((position, known.get(tag)))
            own.append(behind[position, tag])
        places.append(np.array(own, dtype=np.int64))
    return ClientViews(alter_examples(examples, rows), tuple(places))


def client_indices(manifest: Manifest, trained: ClientViews, measured: ClientViews) -> tuple[ClientIndices, ...]:
    """Lists the rows of each client, with the labels that the client gives its images.

    Args:
        manifest: Who holds what.
        trained: Rows of the training images.
        measured: Rows of the test images.

    Returns:
        One entry per client, in client order.
    """
    claims = []
    for holding, train, test in zip(manifest.clients, trained.places, measured.places, strict=True):
        share = holding.share
        claims.append(
            ClientIndices(
                client=holding.number,
                train=train,
                test=test,
                train_labels=trained.examples.labels[train] if share.train_labels is None else share.train_labels,
                test_labels=measured.examples.labels[test] if share.test_labels is None else share.test_labels,
            )
        )
    return tuple(claims)


def labels_as_held(measured: ClientViews, claims: Sequence[ClientIndices]) -> Indices:
    """Finds the label of each test row.

    Args:
        measured: Rows of the test images.
        claims: What each client holds.

    Returns:
        (N,) labels: those of the only client that holds a row, else those of the data set.
    """
    labels = measured.examples.labels.copy()
    holders = np.bincount(np.concatenate([claim.test for claim in claims]), minlength=len(labels))
    for claim in claims:
        alone = holders[claim.test] == 1
        labels[claim.test[alone]] = claim.test_labels[alone]
    return labels
