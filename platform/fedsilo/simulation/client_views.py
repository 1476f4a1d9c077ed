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
        examples: One per row; the split itself where nobody alters anything.
        places: For each client the (n,) rows of its images, in the order of its positions.
    """

    examples: Examples
    places: tuple[Indices, ...]

    @property
    def held(self) -> Indices:
        """Rows that some client holds, ascending."""
        return np.unique(np.concatenate(self.places))


def appearing(examples: Examples, held: Sequence[Indices], alterations: Sequence[str]) -> ClientViews:
    """Returns the rows for clients that hold (n,) positions of a split each, with what each does to its images.

    Args:
        examples: The split.
        held: Positions of each client, in client order.
        alterations: Tags of alterations, "" for none, in client order.
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


def claims_of(manifest: Manifest, trained: ClientViews, measured: ClientViews) -> tuple[ClientIndices, ...]:
    """Returns what each client of a manifest holds of the training and of the test rows, with its own labels."""
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
    """Returns (N,) labels of the test rows: by the names of whoever holds a row alone, else the data's own."""
    labels = measured.examples.labels.copy()
    holders = np.bincount(np.concatenate([claim.test for claim in claims]), minlength=len(labels))
    for claim in claims:
        alone = holders[claim.test] == 1
        labels[claim.test[alone]] = claim.test_labels[alone]
    return labels
