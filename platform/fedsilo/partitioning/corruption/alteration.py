"""`Alteration`: what is done to an image, in three values; `alter_examples`: examples with it done."""

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
"""To be raised with every change of what a kind does: it is part of every digest, hence of every cached feature."""

_TAG = re.compile(r"(\S+) (\d{1,9})(?: seed (\d{1,20}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Alteration:
    """One kind of corruption at one severity.

    Attributes:
        kind: Its name, one of `KINDS`.
        severity: 1 to 5; 0 leaves the image as it is.
        seed: What is drawn comes from it: a client's own, when clients are to differ.
    """

    kind: str
    severity: int
    seed: int = 0

    @classmethod
    def parse(cls, tag: str) -> Alteration:
        """Returns an alteration that does what the one of this tag does. Raises DataError."""
        found = _TAG.fullmatch(tag)
        if not found:
            raise DataError(f"corruption: '{tag[:80]}' is no tag. Write for example 'blur 3' or 'noise 2 seed 7'.")
        alteration = cls(found[1], int(found[2]), int(found[3] or 0))
        alteration.require_possible()
        return alteration

    @property
    def tag(self) -> str:
        """All that it does, in few words: "blur 3", or "noise 2 seed 7" where something is drawn."""
        drawn = self.severity and self.kind not in DETERMINISTIC
        return f"{self.kind} {self.severity}" + f" seed {self.seed}" * bool(drawn)

    def problems(self) -> list[str]:
        """Returns what is impossible in the values, as 'key: what is wrong. What is allowed.' lines."""
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
        """Returns the image altered, of the same size and mode; the same pixels at every call and in every process.

        Args:
            image: RGB.
            digest: The image's own, from which its noise is drawn.

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
        """Returns the digest of the altered image from the image's own: that itself where nothing is altered."""
        if not self.severity:
            return digest
        text = f"corruption|{CORRUPTION_VERSION}|{self.tag}|{digest}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, eq=False, slots=True)
class AlteredImages:
    """Fetches an image and alters it; arrays and not objects, so that it is small to pickle.

    Attributes:
        fetch: Returns the image at a position, unaltered.
        positions: (n,) where the images are.
        origins: (n,) their digests, in ASCII.
        alterations: What is done, each once.
        which: (n,) which of the alterations is done to each image, -1 for none.
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
        """Returns how messages name image i: as the unaltered one, with what is done to it."""
        which, origin = int(self.which[i]), name_of(self.fetch, int(self.positions[i]))
        return origin if which < 0 else f"{origin} ({self.alterations[which].tag})"


def alter_examples(examples: Examples, rows: Sequence[tuple[int, Alteration | None]]) -> Examples:
    """Returns examples with their images altered; no image is fetched before it is asked for.

    Args:
        examples: The unaltered ones.
        rows: A position in them and what is done to the image there, for each of the result; a position may occur in
            several.

    Returns:
        As many examples as rows, in their order, with labels and domains of the positions. The digest of an image to
        which nothing is done is unchanged, so that its cached features stay good.

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
