"""Label shift in two steps, superclass and class: Pachinko allocation, every client with the same number of images.

Train and test are one pool. A client draws weights of the superclasses from Dir(beta, ..., beta), and weights of the
classes of each from Dir(fine_beta, ..., fine_beta); each of its images is a superclass by the ones, a class of it by
the others, and an image of that class that nobody has yet. What has run out is dropped and the other weights are
normalised. An image of the test split is a test image of its client.

With `fixed_draw: 12345` on CIFAR-100 the draws are those of `noniid-labeldir100` in the repositories of FedOTP and its
successors: numpy's older generator and Python's, both at that seed, in the same order. The order of the clients is not
theirs: they shuffle it by the state that the run happens to be in.

Source: Li and McCallum, "Pachinko allocation", ICML 2006; as a split of CIFAR-100: Reddi et al., "Adaptive federated
optimization", ICLR 2021, arXiv:2003.00295.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo import allotment
from fedsilo.contracts import Indices, LabelledImages, Partition, Share
from fedsilo.errors import DataError
from fedsilo.fields import key
from fedsilo.seeds import published_generator

Chance = np.random.Generator | np.random.RandomState


@dataclass(frozen=True, slots=True)
class CoarseDirichlet(Partition):
    """Clients of one size, each mostly of a few superclasses; for data that has superclasses, such as CIFAR-100."""

    clients: int = key(100, "Number of clients, >= 1; sizes differ by one image at most.")
    beta: float = key(0.3, "Concentration over superclasses, above 0: 0.1 gives a client few of them.")
    fine_beta: float = key(10.0, "Concentration over the classes of a superclass, above 0; the papers' is 10.")
    fixed_draw: int | None = key(
        None,
        "Draws as the papers' code does, the same split for every seed of the scenario: theirs is 12345. null: by "
        "the scenario's seed.",
        within=">= 0",
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        problems = allotment.count_problems("clients", self.clients) + allotment.beta_problems(self.beta)
        return problems + [f"fine_{line}" for line in allotment.beta_problems(self.fine_beta)]

    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client. Raises DataError for data without superclasses or with too few images."""
        allotment.refuse(self.problems())
        if not images.groups:
            raise DataError(
                "partition: 'coarse_dirichlet' needs superclasses, and this data has none. Use data that has them "
                "(data: cifar100), or the rule 'dirichlet'."
            )
        allotment.refuse(allotment.size_problems(allotment.everything(images), self.clients))
        first_test = len(images.train)
        labels = np.concatenate([images.train.labels, images.test.labels])
        parts = self._parts(labels, images.groups, generator)
        _measurable(parts, labels, first_test)
        unions = [np.array(part, dtype=np.int64) for part in parts]
        train = [union[union < first_test] for union in unions]
        return allotment.named(images, train, [union[union >= first_test] - first_test for union in unions])

    def _parts(self, labels: Indices, groups: tuple[int, ...], generator: np.random.Generator) -> list[list[int]]:
        """Positions in the pool of both splits, client by client."""
        seed = int(generator.integers(2**63)) if self.fixed_draw is None else self.fixed_draw
        chance: Chance = generator if self.fixed_draw is None else np.random.RandomState(seed)
        pool = Pool(labels, groups, published_generator(seed))
        each, rest = divmod(len(labels), self.clients)
        return [pool.take(each + (client < rest), self.beta, self.fine_beta, chance) for client in range(self.clients)]


class Pool:
    """The images that nobody has yet, by class, and the classes that have some, by superclass."""

    def __init__(self, labels: Indices, groups: tuple[int, ...], picker: random.Random) -> None:
        """Takes (n,) labels, the superclass of each class, and where the choice of an image comes from."""
        self._picker = picker
        self._images: dict[int, list[int]] = defaultdict(list)
        for position in picker.sample(range(len(labels)), len(labels)):
            self._images[int(labels[position])].append(position)
        self._classes: dict[int, list[int]] = {group: [] for group in sorted({groups[c] for c in self._images})}
        for label in sorted(self._images):
            self._classes[groups[label]].append(label)

    def take(self, size: int, beta: float, fine_beta: float, chance: Chance) -> list[int]:
        """Removes and returns `size` images for one client, by weights of its own."""
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
    # So small a beta underflows; in the limit one of them has all the weight.
    return np.asarray(chance.multinomial(1, np.full(size, 1 / size)), dtype=np.float64)


def _pick(weights: NDArray[np.float64], chance: Chance) -> int:
    return int(np.argmax(chance.multinomial(1, weights)))


def _without(weights: NDArray[np.float64], place: int) -> NDArray[np.float64]:
    """The other weights, normalised; equal ones where none had any."""
    others = np.delete(weights, place)
    return others / others.sum() if others.sum() > 0 else np.full(len(others), 1 / max(1, len(others)))


def _measurable(parts: list[list[int]], labels: Indices, first_test: int) -> None:
    """Swaps single images until every client has one to learn from and one to be measured on; sizes stay.

    Of one class where that can be. It always ends: there are as many of either kind as clients, so whenever one has
    none, another has two, and a client of two images keeps one of each.
    """
    for test in (True, False):
        for client, part in enumerate(parts):
            if not any((position >= first_test) == test for position in part):
                here, other, there = _swap(parts, client, labels, first_test, test)
                part[here], parts[other][there] = parts[other][there], part[here]


def _swap(parts: list[list[int]], client: int, labels: Indices, first_test: int, test: bool) -> tuple[int, int, int]:
    """Which image of the client goes to which other client, and for which of its images."""
    own = {int(labels[position]): here for here, position in reversed(list(enumerate(parts[client])))}
    offers = []
    for other, part in enumerate(parts):
        spare = [there for there, position in enumerate(part) if (position >= first_test) == test]
        offers += [(other, there) for there in spare if len(spare) > 1]
    for other, there in offers:
        label = int(labels[parts[other][there]])
        if label in own:
            return own[label], other, there
    return 0, *offers[0]
