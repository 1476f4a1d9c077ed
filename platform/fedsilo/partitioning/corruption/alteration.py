"""`Alteration`: one corruption in three values; `alter_examples`: examples with altered images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsilo.core import Examples, Indices
from fedsilo.core.data import name_of
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.partitioning.corruption.kinds import DETERMINISTIC, KINDS, RANDOM_PER_IMAGE, RANDOM_PER_SEED, SEVERITIES

CORRUPTION_VERSION = 1
"""Increase it with every change of a kind: it is part of every digest and so of every cached feature."""

_TAG = re.compile(r"(\S+) (\d{1,9})(?: seed (\d{1,20}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Alteration:
    """One kind of corruption at one severity.

    Attributes:
        kind: Name of the kind, one of `KINDS`.
        severity: 1 to 5; 0 leaves the image unchanged.
        seed: Seed of random corruptions; one per client makes clients differ.
    """

    kind: str
    severity: int
    seed: int = 0

    @classmethod
    def parse(cls, tag: str) -> Alteration:
        """Makes an alteration from its tag.

        Args:
            tag: For example "blur 3" or "noise 2 seed 7".

        Returns:
            An alteration with the same effect.

        Raises:
            DataError: The tag is not of that form, or has impossible values.
        """
        found = _TAG.fullmatch(tag)
        if not found:
            raise DataError(f"corruption: '{tag[:80]}' is no tag. Write for example 'blur 3' or 'noise 2 seed 7'.")
        alteration = cls(found[1], int(found[2]), int(found[3] or 0))
        alteration.require_possible()
        return alteration

    @property
    def tag(self) -> str:
        """Kind, severity and, if the corruption is random, seed: "blur 3" or "noise 2 seed 7"."""
        drawn = self.severity and self.kind not in DETERMINISTIC
        return f"{self.kind} {self.severity}" + f" seed {self.seed}" * bool(drawn)

    def problems(self) -> list[str]:
        """Returns the problems of the values, as 'key: what is wrong. What is allowed.' lines."""
        found = []
        if self.kind not in KINDS:
            near = get_close_matches(str(self.kind)[:80].lower(), KINDS, n=1, cutoff=0.4)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            found.append(f"kind: no corruption '{str(self.kind)[:80]}'.{hint} Available: {', '.join(KINDS)}.")
        if type(self.severity) is not int or self.severity not in (0, *SEVERITIES):
            found.append(f"severity: must be a whole number from 0 to {SEVERITIES[-1]}, got {self.severity}.")
        if type(self.seed) is not int or self.seed < 0:
            found.append(f"seed: must be a whole number >= 0, got {self.seed}.")
        return found

    def require_possible(self) -> None:
        """Raises DataError with all problems in one line."""
        problems = self.problems()
        if problems:
            raise DataError(f"corruption: {' '.join(problems)}")

    def __call__(self, image: Image.Image, digest: str) -> Image.Image:
        """Alters an image, with the same pixels at every call and in every process.

        Args:
            image: RGB.
            digest: Digest of the image, part of the seed of its noise.

        Returns:
            The altered image, of the same size and mode.

        Raises:
            DataError: The values are impossible.
        """
        self.require_possible()
        if not self.severity:
            return image
        if self.kind in DETERMINISTIC:
            return DETERMINISTIC[self.kind](image, self.severity)
        if self.kind in RANDOM_PER_SEED:
            generator = numpy_generator(self.seed, f"corruption {self.kind}")
            return RANDOM_PER_SEED[self.kind](image, self.severity, generator)
        generator = numpy_generator(self.seed, f"corruption {self.kind} {digest}")
        return RANDOM_PER_IMAGE[self.kind](image, self.severity, generator)

    def digest(self, digest: str) -> str:
        """Computes the digest of an altered image.

        Args:
            digest: Digest of the image.

        Returns:
            Digest of the altered image; at severity 0 the given one.
        """
        if not self.severity:
            return digest
        text = f"corruption|{CORRUPTION_VERSION}|{self.tag}|{digest}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, eq=False, slots=True)
class AlteredImages:
    """Fetches an image and alters it. Its fields are arrays instead of objects, so that it is small to pickle.

    Attributes:
        fetch: Returns the unaltered image at a position.
        positions: (n,) positions of the images.
        origins: (n,) digests of the unaltered images, in ASCII.
        alterations: All alterations, each once.
        which: (n,) index into `alterations` of each image, -1 for none.
    """

    fetch: Callable[[int], Image.Image]
    positions: Indices
    origins: NDArray[np.bytes_]
    alterations: tuple[Alteration, ...]
    which: Indices

    def __call__(self, i: int) -> Image.Image:
        """Returns image i."""
        image = self.fetch(int(self.positions[i]))
        which = int(self.which[i])
        return image if which < 0 else self.alterations[which](image, self.origins[i].decode())

    def name(self, i: int) -> str:
        """Names an image for messages.

        Args:
            i: Number of the image.

        Returns:
            Name of the unaltered image, with the tag of its alteration.
        """
        which, origin = int(self.which[i]), name_of(self.fetch, int(self.positions[i]))
        return origin if which < 0 else f"{origin} ({self.alterations[which].tag})"


def alter_examples(examples: Examples, rows: Sequence[tuple[int, Alteration | None]]) -> Examples:
    """Makes examples with altered images; no image is fetched before it is needed.

    Args:
        examples: The unaltered examples.
        rows: (position, alteration or None) for each example of the result; a position may occur in several rows.

    Returns:
        One example per row, in order, with labels and domains of the positions. The digest of an unaltered image is
        unchanged, so its cached features stay valid.

    Raises:
        DataError: An alteration is impossible.
    """
    positions = np.fromiter((position for position, _ in rows), dtype=np.int64, count=len(rows))
    numbers = {alteration: number for number, alteration in enumerate(dict.fromkeys(each for _, each in rows if each))}
    for alteration in numbers:
        alteration.require_possible()
    which = np.fromiter((numbers[each] if each else -1 for _, each in rows), dtype=np.int64, count=len(rows))
    origins = [examples.digests[position] for position in positions.tolist()]
    digests = tuple(each.digest(origin) if each else origin for origin, (_, each) in zip(origins, rows, strict=True))
    fetch = AlteredImages(examples.fetch, positions, np.array(origins, dtype=np.bytes_), tuple(numbers), which)
    return Examples(examples.labels[positions], examples.domains[positions], fetch, digests)
