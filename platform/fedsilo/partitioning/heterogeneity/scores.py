"""Scores of a partition, as they are saved beside it and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedsilo.core.errors import DataError
from fedsilo.core.printing import encode_utf8
from fedsilo.core.state import write_bytes
from fedsilo.partitioning.heterogeneity.client_embedding import ClientMap
from fedsilo.partitioning.heterogeneity.null_scores import LEVEL, Null, remove_chance
from fedsilo.storage.run_folder import read_json

FORMAT = "fedsilo heterogeneity 1"
FILE = "heterogeneity.json"


@dataclass(frozen=True, slots=True)
class Score:
    """One number about all clients, with its null.

    Attributes:
        name: Name of the score, a key of `SCORES`.
        value: In [0, `most`]; 0 if the clients are alike.
        most: Largest possible value.
        null: The same score of examples dealt at random.
    """

    name: str
    value: float
    most: float
    null: Null

    @property
    def beyond_chance(self) -> float:
        """Root of value^2 - (null mean)^2, or 0: an estimate of the score of infinite data, to compare scenarios.

        It tends to be too low: a client of one kind varies less than the mixture from which the null deals.
        """
        return remove_chance(self.value, self.null.mean)

    @property
    def within_null(self) -> bool:
        """Whether alike clients often have such a score."""
        return self.null.p > LEVEL

    @property
    def verdict(self) -> str:
        """`within_null` in words."""
        return "within the null" if self.within_null else "beyond chance"


@dataclass(frozen=True, slots=True)
class SizeSummary:
    """Sizes of the clients' training sets.

    Attributes:
        gini: Gini coefficient, in [0, 1).
        effective_clients: (sum n)^2 / sum n^2, in [1, clients].
        smallest: Training examples of the smallest client.
        median: Median of the training examples.
        largest: Training examples of the largest client.
    """

    gini: float
    effective_clients: float
    smallest: int
    median: float
    largest: int


@dataclass(frozen=True, slots=True)
class Pairwise:
    """Distances between pairs of clients.

    Attributes:
        name: Name of the distance, a key of `SCORES`.
        complete: Whether these are all pairs of the measured clients; False: a sample.
        pairs: Numbers of the clients (one, other), one < other.
        values: One distance per pair.
    """

    name: str
    complete: bool
    pairs: tuple[tuple[int, int], ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """All scores of a partition.

    Attributes:
        split_sha256: `Manifest.split_sha256` of the partition.
        clients: Number of clients.
        backbone: Backbone of the features; "" if none were measured.
        images: Number of images with measured features.
        sizes: Sizes of the training sets.
        scores: Numbers about all clients.
        label_shift: Each client's Jensen-Shannon distance to all labels together; None without training examples.
        feature_shift: Each client's sliced distance to the barycentre of all; None where it was not measured.
        pairwise: Distances of pairs.
        map: Map of the clients.
        notes: Notes about what was left out or sampled, one line each.
    """

    split_sha256: str
    clients: int
    backbone: str
    images: int
    sizes: SizeSummary
    scores: tuple[Score, ...]
    label_shift: tuple[float | None, ...]
    feature_shift: tuple[float | None, ...]
    pairwise: tuple[Pairwise, ...]
    map: ClientMap
    notes: tuple[str, ...]

    def score(self, name: str) -> Score | None:
        """Finds a score.

        Args:
            name: Name of the score, a key of `SCORES`.

        Returns:
            The score; None if it was not measured.
        """
        return next((score for score in self.scores if score.name == name), None)

    def document(self) -> dict[str, Any]:
        """Returns the content of the file: plain values, and the meaning of each score."""
        content = asdict(self)
        for written, score in zip(content["scores"], self.scores, strict=True):
            written |= {
                "beyond_chance": score.beyond_chance,
                "verdict": score.verdict,
                "meaning": SCORES[score.name].meaning,
            }
        return {"format": FORMAT, **content}

    def write(self, path: Path) -> None:
        """Writes the file, completely or not at all.

        Args:
            path: The file.

        Raises:
            RunError: The file cannot be written.
        """
        lines = [f"{_json(key)}: {_json(value)}" for key, value in self.document().items()]
        write_bytes(path, encode_utf8("{\n" + ",\n".join(lines) + "\n}\n"))

    @classmethod
    def read(cls, path: Path) -> Scores:
        """Reads a file that `write` wrote.

        Args:
            path: The file.

        Returns:
            The scores.

        Raises:
            RunError: The file is missing or damaged.
            DataError: The file is not a file of scores.
        """
        content = read_json(path)
        if content.pop("format", None) != FORMAT:
            raise DataError(f"{path}: not scores of a partition in this version's format ('{FORMAT}'). Measure again.")
        try:
            return _scores(content)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: damaged scores: {error}. Measure again.") from error


@dataclass(frozen=True, slots=True)
class ScoreInfo:
    """Title, range and meaning of a score.

    Attributes:
        title: Name for the user.
        most: Largest possible value.
        meaning: What it measures.
    """

    title: str
    most: float
    meaning: str


SCORES: Mapping[str, ScoreInfo] = {
    "label_shift": ScoreInfo(
        "labels, client to all", 1.0, "mean Jensen-Shannon distance (base 2, root) of a client's labels to all labels"
    ),
    "label_distance": ScoreInfo(
        "labels, two clients", 1.0, "mean Jensen-Shannon distance (base 2, root) between two clients' labels"
    ),
    "label_total_variation": ScoreInfo(
        "labels, to be changed", 1.0, "mean part of a client's labels that would have to change to look like another's"
    ),
    "label_transport": ScoreInfo(
        "labels, by class cost",
        2.0,
        "mean earth mover's distance between two clients' labels; a class costs the distance of its text feature",
    ),
    "attribute_shift": ScoreInfo(
        "attributes, client to all", 1.0, "the first score for the attributes of compositions instead of their pairs"
    ),
    "attribute_distance": ScoreInfo("attributes, two clients", 1.0, "the second score for attributes"),
    "object_shift": ScoreInfo("objects, client to all", 1.0, "the first score for the objects of compositions"),
    "object_distance": ScoreInfo("objects, two clients", 1.0, "the second score for objects"),
    "feature_sliced": ScoreInfo(
        "features, sliced", 2.0, "root mean square sliced 2-Wasserstein distance between two clients' unit features"
    ),
    "feature_transport": ScoreInfo(
        "features, exact", 2.0, "mean 2-Wasserstein distance between two clients' unit image features"
    ),
    "labelled_transport": ScoreInfo(
        "features with labels",
        8**0.5,
        "mean optimal transport data set distance (Alvarez-Melis and Fusi 2020) between two clients",
    ),
}
"""All scores; each is 0 when the clients are alike, and in the unit of its distance."""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _scores(content: dict[str, Any]) -> Scores:
    for score in content["scores"]:
        for derived in ("beyond_chance", "verdict", "meaning"):
            score.pop(derived)
    return Scores(
        **{
            **content,
            "sizes": SizeSummary(**content["sizes"]),
            "scores": tuple(Score(**{**score, "null": Null(**score["null"])}) for score in content["scores"]),
            "label_shift": tuple(content["label_shift"]),
            "feature_shift": tuple(content["feature_shift"]),
            "pairwise": tuple(_pairwise(entry) for entry in content["pairwise"]),
            "map": ClientMap(
                **{
                    **content["map"],
                    "clients": tuple(content["map"]["clients"]),
                    "places": tuple((x, y) for x, y in content["map"]["places"]),
                }
            ),
            "notes": tuple(content["notes"]),
        }
    )


def _pairwise(entry: dict[str, Any]) -> Pairwise:
    pairs = tuple((one, other) for one, other in entry["pairs"])
    return Pairwise(entry["name"], entry["complete"], pairs, tuple(entry["values"]))
