"""Label shift in two steps, superclass and class: Pachinko allocation, with the same number of images for every client.

Train and test are one pool. A client draws weights of the superclasses from Dir(beta, ..., beta), and weights of the
classes of each superclass from Dir(fine_beta, ..., fine_beta). Each of its images is drawn by superclass, then by
class, then among the unassigned images of that class. A class or superclass without images is dropped and the other
weights are normalised. An image of the test split becomes a test image of its client. Under a quantity shift a client
has the given number of training images: images of the two splits are exchanged between clients, of the same class
where possible.

With `fixed_draw: 12345` on CIFAR-100 the draws are those of `noniid-labeldir100` in the repositories of FedOTP and its
successors: numpy's older generator and Python's, both at that seed, in the same order. The order of the clients
differs: their code shuffles it by the random state of the run.

Source: Li and McCallum, "Pachinko allocation", ICML 2006; as a split of CIFAR-100: Reddi et al., "Adaptive federated
optimization", ICLR 2021, arXiv:2003.00295.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Demand, Indices, LabelledImages, LabelShift, Share
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import published_generator
from fedsilo.partitioning.dealing import example_assignment as assignment

Chance = np.random.Generator | np.random.RandomState


@dataclass(frozen=True, slots=True)
class CoarseDirichlet(LabelShift):
    """Clients of one size, most of them with few superclasses; for data with superclasses, such as CIFAR-100."""

    mixes = False

    beta: float = key(0.3, "Concentration over superclasses, above 0: 0.1 gives a client few of them.")
    fine_beta: float = key(10.0, "Concentration over the classes of a superclass, above 0; the papers use 10.")
    fixed_draw: int | None = key(
        None,
        "Draws as the papers' code at this seed, whatever the scenario's seed: the papers use 12345. null: by the "
        "scenario's seed.",
        within=">= 0",
    )

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        problems = assignment.beta_problems(self.beta)
        return problems + [f"fine_{line}" for line in assignment.beta_problems(self.fine_beta)]

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Deals images by superclass and class.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.

        Raises:
            DataError: The data has no superclasses.
        """
        if not images.groups:
            raise DataError(
                "partition.label: 'coarse_dirichlet' needs superclasses, and this data has none. Use data that has "
                "them, such as cifar100, or the label shift 'dirichlet'."
            )
        first_test = len(pool.train)
        labels = np.concatenate([images.train.labels[pool.train], images.test.labels[pool.test]])
        least = np.repeat([[demand.min_train], [demand.min_test]], demand.clients, axis=1)
        each, rest = divmod(len(labels), demand.clients)
        sizes: Indices = each + (np.arange(demand.clients) < rest)
        if demand.sizes is not None:
            (for_sizes,) = generator.spawn(1)  # so that sizes do not change the other draws
            least = np.stack([demand.sizes, assignment.apportion_test_sizes(pool, demand, demand.sizes, for_sizes)])
            sizes = least.sum(axis=0)
        parts = _exchange_splits(self._parts(labels, images.groups, sizes, generator), labels, first_test, least)
        train = [pool.train[part[part < first_test]] for part in parts]
        return assignment.make_shares(
            images, train, [pool.test[part[part >= first_test] - first_test] for part in parts]
        )

    def _parts(
        self, labels: Indices, groups: tuple[int, ...], sizes: Indices, generator: np.random.Generator
    ) -> list[list[int]]:
        """Positions in the pool of both splits, client by client."""
        seed = int(generator.integers(2**63)) if self.fixed_draw is None else self.fixed_draw
        chance: Chance = generator if self.fixed_draw is None else np.random.RandomState(seed)
        pool = UnassignedImages(labels, groups, published_generator(seed))
        return [pool.take(size, self.beta, self.fine_beta, chance) for size in sizes.tolist()]


class UnassignedImages:
    """Images that no client has yet, by class, and the classes that have such images, by superclass."""

    def __init__(self, labels: Indices, groups: tuple[int, ...], picker: random.Random) -> None:
        """Shuffles all images.

        Args:
            labels: (n,) class of each image.
            groups: (classes,) superclass of each class.
            picker: Random generator that chooses single images.
        """
        self._picker = picker
        self._images: dict[int, list[int]] = defaultdict(list)
        for position in picker.sample(range(len(labels)), len(labels)):
            self._images[int(labels[position])].append(position)
        self._classes: dict[int, list[int]] = {group: [] for group in sorted({groups[c] for c in self._images})}
        for label in sorted(self._images):
            self._classes[groups[label]].append(label)

    def take(self, size: int, beta: float, fine_beta: float, chance: Chance) -> list[int]:
        """Removes images for one client, by class weights of its own.

        Args:
            size: Number of images.
            beta: Concentration over superclasses.
            fine_beta: Concentration over the classes of a superclass.
            chance: Random generator of weights, superclasses and classes.

        Returns:
            (size,) positions of the images.
        """
        groups = list(self._classes)
        coarse = _dirichlet(beta, len(groups), chance)
        fine = {group: _dirichlet(fine_beta, len(labels), chance) for group, labels in self._classes.items()}
        taken = []
        for _ in range(size):
            place = _pick(coarse, chance)
            group = groups[place]
            inner = _pick(fine[group], chance)
            images = self._images[self._classes[group][inner]]
            taken.append(images.pop(self._picker.randrange(len(images))))
            if images:
                continue
            del self._classes[group][inner]
            fine[group] = _without(fine[group], inner)
            if not self._classes[group]:
                del self._classes[group], groups[place]
                coarse = _without(coarse, place)
        return taken


def _dirichlet(beta: float, size: int, chance: Chance) -> NDArray[np.float64]:
    weights = np.asarray(chance.dirichlet(beta * np.ones(size)))
    if np.isfinite(weights).all():
        return weights
    # A very small beta underflows; in the limit one entry has all the weight.
    return np.asarray(chance.multinomial(1, np.full(size, 1 / size)), dtype=np.float64)


def _pick(weights: NDArray[np.float64], chance: Chance) -> int:
    return int(np.argmax(chance.multinomial(1, weights)))


def _without(weights: NDArray[np.float64], place: int) -> NDArray[np.float64]:
    """The other weights, normalised; equal ones if all of them are 0."""
    others = np.delete(weights, place)
    return others / others.sum() if others.sum() > 0 else np.full(len(others), 1 / max(1, len(others)))


def _exchange_splits(parts: list[list[int]], labels: Indices, first_test: int, least: Indices) -> list[Indices]:
    """Exchanges single images until every client has enough of either split; sizes stay.

    The exchanged images are of one class where possible. The loop always ends: no client gives what it lacks itself,
    both splits are large enough for all, and a client that is large enough for both splits has too many images of one
    whenever it has too few of the other.

    Args:
        parts: Positions of each client in the pool of both splits.
        labels: (n,) class of each position.
        first_test: Position where the test split begins.
        least: (2, N) least training and test images of each client.
    """
    sizes = [len(part) for part in parts]
    held = np.array([position for part in parts for position in part], dtype=np.int64)
    owner = np.repeat(np.arange(len(parts)), sizes)
    for split in (1, 0):  # test images first, as in all versions
        count = np.bincount(owner[(held >= first_test) == split], minlength=len(parts))
        for client in np.flatnonzero(count < least[split]):
            while count[client] < least[split, client]:
                of_split = (held >= first_test) == split
                offers = np.flatnonzero(of_split & (count > least[split])[owner])
                here, there = _exchange(labels[held], np.flatnonzero(~of_split & (owner == client)), offers)
                held[here], held[there] = held[there], held[here]
                count[client] += 1
                count[owner[there]] -= 1
    return np.split(held, np.cumsum(sizes)[:-1])


def _exchange(labels: Indices, own: Indices, offers: Indices) -> tuple[int, int]:
    """Chooses a client's own image and an offered image to exchange, by the labels of all places."""
    wanted = np.zeros(labels.max() + 1, dtype=bool)
    wanted[labels[own]] = True
    fitting = wanted[labels[offers]]
    if not fitting.any():
        return int(own[0]), int(offers[0])
    there = offers[fitting.argmax()]
    return int(own[(labels[own] == labels[there]).argmax()]), int(there)
