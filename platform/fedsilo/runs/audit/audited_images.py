"""The images of an audit: every image that a client of the audited run holds, and new memberships for shadow runs.

The *pool* is a data set of all images that some client holds, training and test images alike. A shadow run deals it
again: in every *cell*, one class at one client, as many images as possible are *canaries*, whose membership is a fair
coin. The other images of the cell are all members or all non-members, so that a client trains, on average, on as many
images of a class as in the audited run. Which images are canaries is random too. The bound of one run needs a fair coin
for each canary (Steinke, Nasr, Jagielski, NeurIPS 2023, arXiv:2305.08846).

Dimensions: n rows, each an image at a client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.core import Examples, Indices, LabelledImages, Share
from fedsilo.core.seeds import numpy_generator
from fedsilo.partitioning.manifest import Manifest

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Population:
    """The images of all clients, one row each. A client's training images come before its test images.

    Attributes:
        positions: Position (n,) of the image in the pool.
        clients: Client (n,) that holds the image.
        labels: Class (n,) of the image.
        members: Whether (n,) the image is one of the client's training images.
        alone: Whether (n,) the image occurs only once, at this client.
        domains: Name of the domain of each client, "" where domains are mixed.
    """

    positions: Indices
    clients: Indices
    labels: Indices
    members: Flags
    alone: Flags
    domains: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def comparable(self) -> Flags:
        """Whether (n,) the image's class at its client has both members and non-members."""
        found = np.zeros(len(self), dtype=bool)
        for cell in self.cells():
            found[cell] = 0 < self.members[cell].sum() < len(cell)
        return found

    def cells(self) -> Iterator[Indices]:
        """Groups the images that occur only once.

        Yields:
            Row numbers of each class at each client.
        """
        cell = self.clients * (self.labels.max(initial=0) + 1) + self.labels
        rows = np.flatnonzero(self.alone)
        for value in np.unique(cell[rows]):
            yield rows[cell[rows] == value]


@dataclass(frozen=True, slots=True)
class Draw:
    """The membership of one shadow run.

    Attributes:
        members: Whether (n,) the client trains on the image.
        canaries: Whether (n,) a fair coin decided that.
    """

    members: Flags
    canaries: Flags

    def build_shares(self, population: Population) -> list[Share]:
        """Builds the clients' shares of the pool.

        Args:
            population: The rows.

        Returns:
            One share per client; positions refer to the pool, which is both training and test split.
        """
        return [self._share(population, client, domain) for client, domain in enumerate(population.domains)]

    def _share(self, population: Population, client: int, domain: str) -> Share:
        mine = population.clients == client
        train, test = (np.sort(population.positions[mine & side]) for side in (self.members, ~self.members))
        return Share(train, test, domain)


def build_pool(images: LabelledImages, manifest: Manifest) -> LabelledImages:
    """Builds the pool as a data set, with the same examples as training and as test split.

    Args:
        images: The run's data.
        manifest: The run's partition.

    Returns:
        The pool: training images, then test images, each in the order of their split.
    """
    train, test = images.train.take(manifest.held), images.test.take(_held_test(manifest))
    domains = np.concatenate([train.domains, test.domains])
    fetch = _OneAfterTheOther(train, test)
    labels = np.concatenate([train.labels, test.labels])
    every = Examples(labels, domains, fetch, (*train.digests, *test.digests))
    return replace(images, train=every, test=every)


@dataclass(frozen=True, slots=True)
class _OneAfterTheOther:
    """Fetches the images of two splits that are numbered consecutively. It can be pickled like any fetcher."""

    first: Examples
    second: Examples

    def __call__(self, number: int) -> Image.Image:
        rest = number - len(self.first)
        return self.first.fetch(number) if rest < 0 else self.second.fetch(rest)

    def name(self, number: int) -> str:
        """Names an image for messages."""
        rest = number - len(self.first)
        return self.first.name(number) if rest < 0 else self.second.name(rest)


def build_population(manifest: Manifest, pool: LabelledImages) -> Population:
    """Lists the rows of an audited run.

    Args:
        manifest: The run's partition.
        pool: The run's data as a pool.

    Returns:
        The rows.
    """
    train, test = manifest.held, _held_test(manifest)
    positions, clients, members = [], [], []
    for number, share in enumerate(manifest.shares()):
        positions += [np.searchsorted(train, share.train), len(train) + np.searchsorted(test, share.test)]
        clients.append(np.full(len(share.train) + len(share.test), number))
        members.append(np.arange(len(clients[-1])) < len(share.train))
    rows = np.concatenate(positions)
    digests = [pool.train.digests[row] for row in rows.tolist()]
    times = Counter(digests)
    return Population(
        positions=rows,
        clients=np.concatenate(clients),
        labels=pool.train.labels[rows],
        members=np.concatenate(members),
        alone=np.array([times[digest] == 1 for digest in digests], dtype=bool),
        domains=tuple(client.domain for client in manifest.clients),
    )


def redraw(population: Population, seed: int, number: int) -> Draw:
    """Draws the membership of a shadow run.

    Images that occur twice, and cells in which all or no images are members, keep their membership, because there is
    nothing to compare them with.

    Args:
        population: The rows.
        seed: Seed of the audited run.
        number: Number of the shadow run.

    Returns:
        The membership, a function of seed and number.
    """
    generator = numpy_generator(seed, "audit membership", step=number)
    members, canaries = population.members.copy(), np.zeros(len(population), dtype=bool)
    for cell in population.cells():
        inside = int(population.members[cell].sum())
        chosen = generator.permutation(cell)[: 2 * min(inside, len(cell) - inside)]
        if len(chosen):
            members[cell] = 2 * inside > len(cell)
            members[chosen] = generator.random(len(chosen)) < 0.5
            canaries[chosen] = True
    return Draw(members, canaries)


def _held_test(manifest: Manifest) -> Indices:
    return np.unique(np.concatenate([np.array(client.test, dtype=np.int64) for client in manifest.clients]))
