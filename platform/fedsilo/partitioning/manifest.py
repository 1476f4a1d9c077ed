"""The frozen partition: the examples of each client, in a JSON file that can be shared, compared and used again.

The file has one client per line, so that two files can be compared by eye, and the sha256 of its content, so that an
edited or cut file is detected. Positions have a meaning only with the data: a fingerprint of the data is stored beside
them and compared before they are used.

Dimensions: K classes, D domains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Indices, LabelledImages, Share
from fedsilo.core.errors import DataError
from fedsilo.core.state import write_bytes
from fedsilo.partitioning.client_holdings import ClientHoldings, make_holdings

FORMAT = "fedsilo partition 1"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A frozen partition.

    Attributes:
        classes: Class names in label order.
        domains: Domain names in domain order.
        fingerprint: `fingerprint_data` of the data that the positions refer to.
        train_examples: Size of the training split, including examples that no client holds.
        test_examples: Size of the test split.
        rule: Name and fields of the partition rule, as plain JSON values.
        seed: Seed of the scenario.
        clients: One entry per client, in client order.
        attributes: (K,) attribute of each class; empty where classes are not composed.
        objects: (K,) object of each class; empty where classes are not composed.
    """

    classes: tuple[str, ...]
    domains: tuple[str, ...]
    fingerprint: str
    train_examples: int
    test_examples: int
    rule: Mapping[str, Any]
    seed: int
    clients: tuple[ClientHoldings, ...]
    attributes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the whole content."""
        return _sha256(self._content())

    @property
    def split_sha256(self) -> str:
        """Hash of the data and each client's examples; equal for equal splits, whatever rule and seed led to them."""
        held = [[client.train, client.test, *client.deviations] for client in self.clients]
        return _sha256([self.fingerprint, self.classes, held])

    @property
    def held(self) -> NDArray[np.int64]:
        """Positions of all training examples that a client holds, ascending."""
        return np.unique(np.concatenate([np.array(client.train, dtype=np.int64) for client in self.clients]))

    def shares(self) -> list[Share]:
        """Returns the clients' shares, as the partition made them."""
        return [client.share for client in self.clients]

    def states(self, split: str) -> tuple[list[Indices], list[str]]:
        """Lists the images of a split in the state in which clients use them.

        Args:
            split: "train" or "test".

        Returns:
            Positions of each client, and the alteration of each client's images.
        """
        return [getattr(share, split) for share in self.shares()], [client.alteration for client in self.clients]

    @property
    def training_sizes(self) -> tuple[int, ...]:
        """Number of examples that each client trains on; 0 for an unseen client."""
        return tuple(len(client.train) * client.seen for client in self.clients)

    def train_counts(self) -> NDArray[np.int64]:
        """Returns (clients, K) training examples of each class."""
        return np.array([client.train_classes for client in self.clients], dtype=np.int64)

    def check(self, images: LabelledImages, where: str) -> None:
        """Checks that the manifest was made from exactly these images.

        Args:
            images: The data.
            where: Beginning of the message.

        Raises:
            DataError: It was made from other data; the message says what differs.
        """
        here = fingerprint_data(images)
        pairs = (
            ("classes", self.classes, images.classes),
            ("domains", self.domains, images.domains),
            ("training examples", self.train_examples, len(images.train)),
            ("test examples", self.test_examples, len(images.test)),
            ("fingerprint", self.fingerprint[:12], here[:12]),
        )
        faults = [f"{what} {_short(frozen)} there, {_short(now)} here" for what, frozen, now in pairs if frozen != now]
        if faults or self.fingerprint != here:
            raise DataError(
                f"{where}: this partition was made from other data: {'; '.join(faults)}. "
                "Use the data, split and seed that it was made with, or a rule instead of the manifest."
            )

    def write(self, path: Path) -> None:
        """Writes the file, completely or not at all.

        Args:
            path: The file.

        Raises:
            RunError: The file cannot be written.
        """
        body = self._content()
        content = {"format": FORMAT, "sha256": _sha256(body), **body}
        clients = ",\n".join(f"  {_json(client)}" for client in content.pop("clients"))
        lines = [f"{_json(key)}: {_json(value)}" for key, value in content.items()]
        text = "{\n" + ",\n".join([*lines, f'"clients": [\n{clients}\n]']) + "\n}\n"
        write_bytes(path, text.encode())

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Reads a manifest.

        Args:
            path: The file.

        Returns:
            The manifest.

        Raises:
            DataError: The file is missing, damaged, edited or not a manifest.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}. Give the path of a partition.json.") from error
        except ValueError as error:
            raise DataError(f"{path}: damaged or not a partition manifest: {error}. Make it again.") from error
        return _parse(content, path)

    def _content(self) -> dict[str, Any]:
        content = {field: getattr(self, field) for field in _FIELDS if field not in _OF_PAIRS or getattr(self, field)}
        return {**content, "clients": [{key: getattr(client, key) for key in _HELD} for client in self.clients]}


def freeze(images: LabelledImages, shares: Sequence[Share], rule: Mapping[str, Any], seed: int) -> Manifest:
    """Freezes a partition.

    Args:
        images: The data.
        shares: One per client, in client order.
        rule: Name and fields of the partition rule, as plain JSON values.
        seed: Seed of the scenario.

    Returns:
        The manifest.
    """
    width, pairs = max(2, len(str(len(shares) - 1))), images.pairs
    return Manifest(
        classes=tuple(images.classes),
        domains=tuple(images.domains),
        fingerprint=fingerprint_data(images),
        train_examples=len(images.train),
        test_examples=len(images.test),
        rule=dict(rule),
        seed=seed,
        clients=tuple(
            make_holdings(images, share, number, f"client {number:0{width}d}") for number, share in enumerate(shares)
        ),
        attributes=() if pairs is None else tuple(pairs.attributes[number] for number in pairs.attribute),
        objects=() if pairs is None else tuple(pairs.objects[number] for number in pairs.object),
    )


def fingerprint_data(images: LabelledImages) -> str:
    """Hashes digest, label and domain of every example, split by split and in order.

    Args:
        images: The data.

    Returns:
        The sha256, hex.
    """
    fingerprint = hashlib.sha256()
    splits = [("train", images.train), ("test", images.test)]
    if images.validation is not None:
        splits.append(("validation", images.validation))
    if images.newcomers is not None:
        splits.append((f"new {images.newcomers.classes}", images.newcomers.test))
    if images.validation is not None:
        splits.append(("validation", images.validation))
    for name, split in splits:
        for digest, label, domain in zip(split.digests, split.labels.tolist(), split.domains.tolist(), strict=True):
            fingerprint.update(f"{name} {digest} {label} {domain}\n".encode())
    return fingerprint.hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _sha256(value: object) -> str:
    return hashlib.sha256(_json(value).encode()).hexdigest()


def _short(value: object) -> str:
    """A count or fingerprint unchanged; names as their number and the first few."""
    if not isinstance(value, tuple):
        return str(value)
    return f"{len(value)} ({', '.join(map(str, value[:3]))}{', ...' if len(value) > 3 else ''})"


def _parse(content: Any, path: Path) -> Manifest:
    """Makes a manifest of decoded JSON, after a check of format and sha256."""
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise DataError(f"{path}: not a partition manifest of this version (format {found!r}, needed '{FORMAT}').")
    body = {key: value for key, value in content.items() if key not in ("format", "sha256")}
    if _sha256(body) != content.get("sha256"):
        raise DataError(
            f"{path}: edited or damaged: its content has sha256 {_sha256(body)[:12]}, "
            f"it says {str(content.get('sha256'))[:12]}. Restore the file or make it again."
        )
    try:
        clients = tuple(
            ClientHoldings(**{key: _to_tuple(value) for key, value in client.items()}) for client in body["clients"]
        )
        given = [key for key in _FIELDS if key != "clients" and (key in body or key not in _OF_PAIRS)]
        manifest = Manifest(**{key: _to_tuple(body[key]) for key in given}, clients=clients)
        _check_positions(manifest)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path}: not a sound partition manifest: {error}. Make it again.") from error
    return manifest


def _to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_positions(manifest: Manifest) -> None:
    """Raises ValueError if a client's positions are not ascending or out of range, or labels or words do not fit."""
    if any(len(words) not in (0, len(manifest.classes)) for words in (manifest.attributes, manifest.objects)):
        raise ValueError("attributes and objects are not those of all classes")
    for client in manifest.clients:
        for split, size in (("train", manifest.train_examples), ("test", manifest.test_examples)):
            held, labels = getattr(client, split), getattr(client, f"{split}_labels")
            if (np.diff(np.array([-1, *held, size])) <= 0).any():
                raise ValueError(f"{client.name} holds {split} positions out of order or beyond {size}")
            if labels and (len(labels) != len(held) or not 0 <= min(labels) <= max(labels) < len(manifest.classes)):
                raise ValueError(f"{client.name} has {split} labels that do not fit its images")


_FIELDS = tuple(entry.name for entry in fields(Manifest))
_OF_PAIRS = ("attributes", "objects")
"""Fields that only compositions have: without them a file is as it was before there were any."""

_HELD = tuple(entry.name for entry in fields(ClientHoldings))
