"""The scores of a partition as they are saved beside it and read back."""

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
from fedsilo.partitioning.heterogeneity.null_scores import LEVEL, Null, beyond
from fedsilo.storage.run_folder import read_json

FORMAT = "fedsilo heterogeneity 1"
FILE = "heterogeneity.json"


@dataclass(frozen=True, slots=True)
class Score:
    """One number about all clients, beside what chance makes of it.

    Attributes:
        name: Of the score, see `SCORES`.
        value: In [0, `most`]; 0 when the clients are alike.
        most: The largest possible value.
        null: The same score of examples dealt at random.
    """

    name: str
    value: float
    most: float
    null: Null

    @property
    def beyond_chance(self) -> float:
        """Root of value^2 - (null mean)^2, or 0: an estimate of the score of endless data, for comparing scenarios.

        Rather too low: a client of one kind scatters less than the mixture that the null deals from.
        """
        return beyond(self.value, self.null.mean)

    @property
    def within_null(self) -> bool:
        """Whether alike clients often score as much."""
        return self.null.p > LEVEL

    @property
    def verdict(self) -> str:
        """The same in words."""
        return "within the null" if self.within_null else "beyond chance"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How unequal the clients' training sets are.

    Attributes:
        gini: Gini coefficient, in [0, 1).
        effective_clients: (sum n)^2 / sum n^2, in [1, clients].
        smallest: Training examples of the smallest client.
        median: Of the clients in the middle.
        largest: Of the largest.
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
        name: Of the distance, see `SCORES`.
        complete: Whether these are all pairs of the measured clients, or a sample.
        pairs: Numbers of the clients (one, other), one < other.
        values: One distance per pair.
    """

    name: str
    complete: bool
    pairs: tuple[tuple[int, int], ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """All that was measured of a partition.

    Attributes:
        split_sha256: Of the partition, see `Manifest.split_sha256`.
        clients: Number of clients.
        backbone: Whose features were measured; "" where none were.
        images: How many images' features were measured.
        sizes: How unequal the training sets are.
        scores: The numbers about all clients.
        label_shift: Each client's Jensen-Shannon distance to all labels together; None without training examples.
        feature_shift: Each client's sliced distance to the barycentre of all; None where it was not measured.
        pairwise: Distances of pairs.
        map: Where the clients lie.
        notes: What was left out or sampled, a line each.
    """

    split_sha256: str
    clients: int
    backbone: str
    images: int
    sizes: Sizes
    scores: tuple[Score, ...]
    label_shift: tuple[float | None, ...]
    feature_shift: tuple[float | None, ...]
    pairwise: tuple[Pairwise, ...]
    map: ClientMap
    notes: tuple[str, ...]

    def score(self, name: str) -> Score | None:
        """Returns the score of a name, if it was measured."""
        return next((score for score in self.scores if score.name == name), None)

    def document(self) -> dict[str, Any]:
        """Returns the content of the file: plain values, and what each score means."""
        content = asdict(self)
        for written, score in zip(content["scores"], self.scores, strict=True):
            written |= {
                "beyond_chance": score.beyond_chance,
                "verdict": score.verdict,
                "meaning": SCORES[score.name].meaning,
            }
        return {"format": FORMAT, **content}

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all. Raises RunError when the disk refuses."""
        lines = [f"{_json(key)}: {_json(value)}" for key, value in self.document().items()]
        write_bytes(path, encode_utf8("{\n" + ",\n".join(lines) + "\n}\n"))

    @classmethod
    def read(cls, path: Path) -> Scores:
        """Reads a file that `write` wrote. Raises RunError when it is missing or damaged, DataError when it is none."""
        content = read_json(path)
        if content.pop("format", None) != FORMAT:
            raise DataError(f"{path}: not scores of a partition in this version's format ('{FORMAT}'). Measure again.")
        try:
            return _scores(content)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: damaged scores: {error}. Measure again.") from error


@dataclass(frozen=True, slots=True)
class Kind:
    """A score's name for people, its range and what it says."""

    title: str
    most: float
    meaning: str


SCORES: Mapping[str, Kind] = {
    "label_shift": Kind(
        "labels, client to all", 1.0, "mean Jensen-Shannon distance (base 2, root) of a client's labels to all labels"
    ),
    "label_distance": Kind(
        "labels, two clients", 1.0, "mean Jensen-Shannon distance (base 2, root) between two clients' labels"
    ),
    "label_total_variation": Kind(
        "labels, to be changed", 1.0, "mean part of a client's labels that would have to change to look like another's"
    ),
    "label_transport": Kind(
        "labels, by class cost",
        2.0,
        "mean earth mover's distance between two clients' labels; a class costs the distance of its text feature",
    ),
    "feature_sliced": Kind(
        "features, sliced", 2.0, "root mean square sliced 2-Wasserstein distance between two clients' unit features"
    ),
    "feature_transport": Kind(
        "features, exact", 2.0, "mean 2-Wasserstein distance between two clients' unit image features"
    ),
    "labelled_transport": Kind(
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
        for said in ("beyond_chance", "verdict", "meaning"):
            score.pop(said)
    return Scores(
        **{
            **content,
            "sizes": Sizes(**content["sizes"]),
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
