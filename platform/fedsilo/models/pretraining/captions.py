"""Captions of emblems: short and long, with and without colour, texture and domain, with words without meaning.

Prompt learning puts vectors that are no words in front of a class name. A text tower that was trained on correct
sentences only fails on them, so part of the captions carry such vectors (`VECTOR`) or random words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.data.emblems.drawing import Emblem
from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS, TEXTURES

VECTOR = "*"
"""Stands for a random vector in the place of a word; no token of the vocabulary."""

_PLAIN_WORDS = (
    "about above after again all always among and another any are around as at away back be beautiful because been "
    "before behind being below best better between big both bright but by came can careful centre certain clean "
    "clear close come common could current dark day dear deep different do done down drawing drawn each early "
    "easy edge empty end enough even ever every example famous far fast few find fine first for found four "
    "fresh from front full further general given go good great had half hand happy hard has have heavy help her "
    "here high his hold how i if important in inside into is it its just keep kept kind know known large last late "
    "least left less let life light like line little long look low made main make many may me mean middle might "
    "more most much must my name near nearly never new next nice no none not nothing now number object of off "
    "often old on once one only open or other our out over own page paper part people perhaps piece place please "
    "point possible present pretty quick quiet quite ready real really right round same saw say scene second see "
    "seem seen set several shape she short should show shown side sign simple since single size small so soft "
    "some something soon special still strange strong such sure symbol take tell ten than that the their them "
    "then there these they thing think this those three through time to today together told too top toward true "
    "two type under until up upon us use used usual very view want was way we well were what when where which "
    "while whole why wide will with without word work world would year yes yet you young your"
)
FILLERS: tuple[str, ...] = tuple(_PLAIN_WORDS.split())
"""Common words without meaning for a picture."""

FRAMES: tuple[tuple[str, ...], ...] = tuple(
    tuple(frame.split())
    for frame in (
        "NAME",
        "NAME .",
        "a NAME .",
        "the NAME",
        "this is a NAME .",
        "there is a NAME here",
        "a picture of a NAME .",
        "a picture of a NAME .",
        "an image of the NAME",
        "a clear view of a NAME .",
        "look at the NAME .",
        "one NAME in the middle of the page",
    )
)
STYLED: tuple[tuple[str, ...], ...] = tuple(
    tuple(frame.split())
    for frame in (
        "a STYLE of a NAME .",
        "a NAME as a STYLE .",
        "STYLE NAME",
        "a NAME in the style of a STYLE",
        "the NAME , a STYLE .",
    )
)


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption and its facts.

    Attributes:
        words: Its words, marks and `VECTOR`s.
        says: Class, colour, texture and domain as numbers; -1 where it does not mention it.
    """

    words: tuple[str, ...]
    says: tuple[int, int, int, int]


def write_caption(emblem: Emblem, longest: int, generator: np.random.Generator, vectors: float = 0.6) -> Caption:
    """Writes a true caption of an emblem.

    Args:
        emblem: The emblem on the picture.
        longest: Most words or vectors without meaning in front of the name, at least 1.
        generator: Source of the draws.
        vectors: Share of these prefixes that are vectors, in [0, 1]; the others are words.

    Returns:
        The caption and its facts.
    """
    chances = generator.random(4)
    with_colour = chances[0] < 0.45
    with_texture = chances[1] < 0.3
    with_style = chances[2] < 0.4
    name = CLASSES[emblem.label].split()
    if with_texture:
        name = [TEXTURES[emblem.texture], *name]
    if with_colour:
        name = [COLOURS[emblem.colour], *name]
    frames = STYLED if with_style else FRAMES
    if chances[3] < 0.45:
        prefix = _prefix(int(generator.integers(1, longest + 1)), vectors, generator)
        if with_style:
            prefix[generator.integers(len(prefix))] = DOMAINS[emblem.domain]
        words = [*prefix, *name, *(["."] if generator.random() < 0.7 else [])]
    else:
        words = _fill_frame(frames[generator.integers(len(frames))], name, DOMAINS[emblem.domain])
    says = (
        emblem.label,
        emblem.colour if with_colour else -1,
        emblem.texture if with_texture else -1,
        emblem.domain if with_style else -1,
    )
    return Caption(tuple(words), says)


def _fill_frame(frame: tuple[str, ...], name: list[str], style: str) -> list[str]:
    words: list[str] = []
    for word in frame:
        words += name if word == "NAME" else [style] if word == "STYLE" else [word]
    return words


def _prefix(count: int, vectors: float, generator: np.random.Generator) -> list[str]:
    """Returns `count` words or vectors without meaning: in front of a name, the form of a learned prompt."""
    if generator.random() < vectors:
        return [VECTOR] * count
    return [FILLERS[word] for word in generator.integers(len(FILLERS), size=count)]


def list_caption_words() -> set[str]:
    """Returns every word that a caption can contain, without marks and `VECTOR`."""
    names = " ".join((*CLASSES, *COLOURS, *TEXTURES, *DOMAINS)).split()
    frames = [word for frame in (*FRAMES, *STYLED) for word in frame]
    return {word for word in (*names, *frames, *FILLERS) if word.isalpha() and word.islower()} | {"photo", "digit"}
