"""The vocabulary of the tiny model: byte-pair merges learned from the words of its captions.

The file has the format of CLIP's tokenizer, so open_clip reads ours too; only it is forty times shorter.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

Merge = tuple[str, str]

BYTES = 256
SPECIAL = 2


def learn_merges(words: Iterable[str]) -> list[Merge]:
    """Learns the merges that make every word a single token (byte-pair encoding).

    Args:
        words: Lower-case words of the letters a to z; a word that is given twice counts once.

    Returns:
        The merges, in order.
    """
    spellings = [[*word[:-1], word[-1] + "</w>"] for word in sorted(set(words))]
    merges: list[Merge] = []
    while True:
        pairs = Counter(pair for spelling in spellings for pair in pairwise(spelling))
        if not pairs:
            return merges
        # The most frequent pair; among equals the first in the alphabet, so that the file is always the same.
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spellings = [_merge(spelling, best) for spelling in spellings]


def _merge(spelling: list[str], pair: Merge) -> list[str]:
    result: list[str] = []
    for part in spelling:
        if result and (result[-1], part) == pair:
            result[-1] += part
        else:
            result.append(part)
    return result


def count_tokens(merges: list[Merge]) -> int:
    """Counts the tokens of a tokenizer with these merges.

    Args:
        merges: The merges.

    Returns:
        The number of tokens.
    """
    return 2 * BYTES + len(merges) + SPECIAL


def write_merges(path: Path, merges: list[Merge]) -> None:
    """Writes the merges file: a title line, then a merge a line; the same bytes for the same merges.

    Args:
        path: Path of the file.
        merges: The merges.
    """
    text = "\n".join(["fedsilo-tiny byte-pair merges", *(" ".join(merge) for merge in merges)])
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
