"""Steps after every partition: global test data, concept shift, corruption, unseen clients.

They follow the shots, in this order. Every draw is derived from the seed and its purpose, so that one step changes
neither the others nor the split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fedsilo.core import ConceptShift, Corruption, LabelledImages, Partition, Share
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import derive, numpy_generator
from fedsilo.partitioning.corruption.alteration import Alteration
from fedsilo.partitioning.dealing import example_assignment as assignment


def apply_post_split(images: LabelledImages, shares: Sequence[Share], rule: Partition, seed: int) -> list[Share]:
    """Applies to the shares all that a rule asks for beside its split.

    Args:
        images: The data.
        shares: One per client, in client order, after the shots.
        rule: The partition that made them.
        seed: Seed of the scenario.

    Returns:
        One share per client.

    Raises:
        DataError: A step is impossible.
    """
    done = list(shares)
    if rule.measured_on(images) == "global":
        done = _share_global_test(images, done, rule.unseen.domains)
    if rule.concept is not None:
        done = _relabel(images, done, rule.concept, seed)
    if rule.corruption.kinds:
        done = _corrupt(done, rule.corruption, seed)
    return _mark_unseen(done, rule.unseen.clients, seed)


def _share_global_test(images: LabelledImages, shares: list[Share], unseen: Sequence[str]) -> list[Share]:
    """Shares with the test images of all trained domains; unseen domains keep their own test images."""
    known = np.array([name not in unseen for name in images.domains])
    everything = np.flatnonzero(known[images.test.domains])
    alike = assignment.make_shares(images, [share.train for share in shares], [everything] * len(shares))
    return [
        replace(share, test=everything, domain=other.domain) if share.seen else share
        for share, other in zip(shares, alike, strict=True)
    ]


def _relabel(images: LabelledImages, shares: list[Share], concept: ConceptShift, seed: int) -> list[Share]:
    # Images of unseen pairs keep their labels: what no client trains on, no client calls by another name.
    classes = len(images.classes) if images.pairs is None else int(images.pairs.seen.sum())
    for client in draw_clients(len(shares), concept.clients, seed, "concept clients"):
        share = shares[client]
        known = images.train.labels[share.train], images.test.labels[share.test]
        generator = numpy_generator(seed, "concept", client=client)
        own, test = known[1] < classes, known[1].copy()
        train, test[own] = concept.relabel(known[0], known[1][own], classes, generator)
        if not np.array_equal(train, known[0]):
            share = replace(share, train_labels=train)
        if not np.array_equal(test, known[1]):
            share = replace(share, test_labels=test)
        shares[client] = share
    return shares


def _corrupt(shares: list[Share], corruption: Corruption, seed: int) -> list[Share]:
    """Assigns one kind at one severity to each chosen client, so that all pairs are equally frequent."""
    severities = [corruption.severity] if isinstance(corruption.severity, int) else corruption.severity
    pairs = [(kind, severity) for severity in severities for kind in corruption.kinds]
    for place, client in enumerate(draw_clients(len(shares), corruption.clients, seed, "corrupted clients")):
        kind, severity = pairs[place % len(pairs)]
        own = derive(seed, "corruption", client=client)
        shares[client] = replace(shares[client], alteration=Alteration(kind, severity, own).tag)
    return shares


def draw_clients(clients: int, part: float, seed: int, purpose: str) -> list[int]:
    """Draws clients for a purpose.

    Args:
        clients: Number of clients.
        part: Fraction to draw, in [0, 1].
        seed: Seed of the scenario.
        purpose: Purpose of the draw; purposes draw independently.

    Returns:
        `part` of the client numbers, rounded, in drawn order.
    """
    order = numpy_generator(seed, purpose).permutation(clients)
    return [int(client) for client in order[: round(part * clients)]]


def _mark_unseen(shares: list[Share], wanted: int | list[int], seed: int) -> list[Share]:
    trained = [number for number, share in enumerate(shares) if share.seen]
    numbers = _draw_unseen(trained, wanted, seed) if isinstance(wanted, int) else wanted
    far = [str(number) for number in numbers if not 0 <= number < len(shares)]
    if far:
        raise DataError(f"partition.unseen.clients: no client {', '.join(far)}, there are 0 to {len(shares) - 1}.")
    if not set(trained) - set(numbers):
        named = len(set(numbers) & set(trained))
        raise DataError(
            f"partition.unseen.clients: {named} of {len(trained)} clients that train are named, so that no client "
            "trains. Name fewer."
        )
    return [replace(share, seen=share.seen and number not in numbers) for number, share in enumerate(shares)]


def _draw_unseen(trained: list[int], wanted: int, seed: int) -> list[int]:
    """Draws a number of the clients that would train."""
    if not 0 <= wanted < len(trained):
        raise DataError(
            f"partition.unseen.clients: {wanted} of {len(trained)} clients that train cannot be left out. Use 0 to "
            f"{len(trained) - 1}."
        )
    return [trained[place] for place in draw_clients(len(trained), wanted / len(trained), seed, "unseen clients")]


Split = Callable[[LabelledImages], list[Share]]


def split_without_domains(images: LabelledImages, domains: Sequence[str], split: Split) -> list[Share]:
    """Splits all domains but the given ones, and adds one unseen client for each of these, with all of its images.

    Args:
        images: The data.
        domains: Names of the domains that are not trained on.
        split: Splits the rest; its positions refer to the images that it is given.

    Returns:
        One share per client, unseen clients last.

    Raises:
        DataError: A domain does not exist, or none is left.
    """
    if not domains:
        return split(images)
    _refuse_domains(images, domains)
    out = np.array([name in domains for name in images.domains])
    kept = [np.flatnonzero(~out[part.domains]) for part in (images.train, images.test)]
    shares = [
        replace(share, train=kept[0][share.train], test=kept[1][share.test]) for share in split(_without(images, out))
    ]
    for number in np.flatnonzero(out):
        train, test = (np.flatnonzero(part.domains == number) for part in (images.train, images.test))
        shares.append(Share(train, test, images.domains[number], seen=False))
    return shares


def _refuse_domains(images: LabelledImages, domains: Sequence[str]) -> None:
    unknown = [name for name in domains if name not in images.domains]
    if unknown:
        known = ", ".join(images.domains)
        raise DataError(f"partition.unseen.domains: no domain {', '.join(map(repr, unknown))}. There are {known}.")
    if len(set(domains)) == len(images.domains):
        raise DataError("partition.unseen.domains: names all domains, so that no client trains. Name fewer.")
    measured = {images.domains[number] for number in images.test.domains}
    empty = [name for name in domains if name not in measured]
    if empty:
        raise DataError(
            f"partition.unseen.domains: no test image of {', '.join(map(repr, empty))}, so nothing could be measured. "
            "Remove it."
        )


def _without(images: LabelledImages, out: np.ndarray) -> LabelledImages:
    """Images of the other domains, with new domain numbers."""
    number = np.cumsum(~out) - 1
    parts = []
    for part in (images.train, images.test):
        left = part.take(np.flatnonzero(~out[part.domains]))
        parts.append(replace(left, domains=number[left.domains]))
    names = tuple(name for name, gone in zip(images.domains, out, strict=True) if not gone)
    return replace(images, domains=names, train=parts[0], test=parts[1])
