"""Texts of compositions: learned vectors for attributes and objects behind a context, through the shared-prefix tower.

A composition reads `[SOS] context attribute object [EOT]`, an attribute or an object `[SOS] context word [EOT]`; there
is no full stop. Of the tokens of a prompt only those behind the context are run for each prompt, and an attribute once
for all pairs that have it.

Source: Nayak et al., "Learning to Compose Soft Prompts for Compositional Zero-Shot Learning", ICLR 2023,
arXiv:2204.03574 (CSP); three families of prompts: Huang et al., "Troika", CVPR 2024, arXiv:2303.15230.

Dimensions: A attributes, O objects, K pairs, n prompts, P vectors of a prompt's words, L context tokens, W text width,
D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fedsilo.core.batch import ATTRIBUTE, OBJECT
from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.pair_prompts import encode_pair_prompts
from fedsilo.models.clip.text_tower import encode_prompts
from fedsilo.models.prompts.sequences import encode_names

if TYPE_CHECKING:
    from fedsilo.core.frozen import Frozen

PARTS = (ATTRIBUTE, OBJECT)
PAIR = "pair"
FAMILIES = (PAIR, *PARTS)
"""Families of prompts: those of an attribute and an object, of an attribute, and of an object."""


@dataclass(frozen=True, eq=False, slots=True)
class PairNumbers:
    """The pairs that scores are over.

    Attributes:
        attribute: (K,) int64 attribute of each pair, in [0, A).
        object: (K,) int64 object of each pair, in [0, O).
        places: (S,) int64 number among these pairs of each pair that is trained on; None where labels are the numbers.
    """

    attribute: Tensor
    object: Tensor
    places: Tensor | None = None

    def __len__(self) -> int:
        return len(self.attribute)

    @property
    def key(self) -> tuple[Tensor, Tensor]:
        """Returns the tensors that texts of these pairs are computed from, for `Frozen.recall`."""
        return self.attribute, self.object

    @classmethod
    def of(cls, frozen: Frozen) -> PairNumbers:
        """Reads the pairs of a model's candidates.

        Args:
            frozen: The frozen model.

        Returns:
            All K pairs.
        """
        attribute, object = (torch.from_numpy(frozen.candidates.parts[part]).to(frozen.device) for part in PARTS)
        return cls(attribute, object)

    def select(self, own: Tensor) -> PairNumbers:
        """Selects some of the pairs.

        Args:
            own: (K,) with 1 at the pairs to keep, 0 elsewhere.

        Returns:
            These pairs, in the same order; labels of the others have no meaning.
        """
        kept = own.bool()
        return PairNumbers(self.attribute[kept], self.object[kept], kept.long().cumsum(0) - 1)

    def labels(self, labels: Tensor) -> Tensor:
        """Translates labels into numbers among these pairs.

        Args:
            labels: (b,) int64 labels of the data set, of pairs that are here.

        Returns:
            (b,) int64.
        """
        return labels if self.places is None else self.places[labels]


def require_pairs(frozen: Frozen) -> None:
    """Checks that candidates are composed of attributes and objects.

    Args:
        frozen: The frozen model.

    Raises:
        BackboneError: They are not.
    """
    if any(part not in frozen.words for part in PARTS):
        raise BackboneError(
            "method: it learns vectors for attributes and objects, and the classes of this data set have none. Use "
            "task: composition with a data set of pairs, or another method."
        )


def start_table(frozen: Frozen) -> Tensor:
    """Computes the table of words before training: the mean of the embeddings of each word's tokens.

    Args:
        frozen: The frozen model.

    Returns:
        (A + O, W), attributes first.
    """
    means = []
    for part in PARTS:
        words = frozen.words[part]
        rows = torch.split(words.embeddings, list(words.lengths))
        means += [tokens[:name].mean(dim=0) for tokens, name in zip(rows, words.names, strict=True)]
    return torch.stack(means)


def encode_bare_words(frozen: Frozen, part: str) -> Tensor:
    """Encodes the bare words of attributes or objects, `[SOS] word(s) [EOT]`.

    Args:
        frozen: The frozen model.
        part: "attribute" or "object".

    Returns:
        (A, D) or (O, D), not normalised.
    """
    with torch.no_grad():
        return encode_names(frozen.tower, frozen.words[part])


def encode_words(frozen: Frozen, context: Tensor, words: Tensor) -> Tensor:
    """Encodes prompts of one or several learned vectors behind a context.

    Args:
        frozen: The frozen model.
        context: (L, W).
        words: (n, P, W) vectors behind the context; differentiable, as the context is.

    Returns:
        (n, D), not normalised.
    """
    count, vectors, width = words.shape
    own = frozen.words[ATTRIBUTE]
    end = own.embeddings[-1].expand(count, 1, width)  # the last token of every name is the end-of-text
    rows = torch.cat([words, end], dim=1).reshape(-1, width)
    tokens = ClassTokens(rows, (vectors + 1,) * count, own.sos, (vectors,) * count)
    return encode_prompts(frozen.tower, tokens, context)


def encode_pairs(frozen: Frozen, context: Tensor, table: Tensor, pairs: PairNumbers) -> Tensor:
    """Encodes the prompts of pairs.

    Args:
        frozen: The frozen model.
        context: (L, W).
        table: (A + O, W) the words, attributes first.
        pairs: K pairs.

    Returns:
        (K, D), not normalised.
    """
    tokens = frozen.words[ATTRIBUTE]
    rows = torch.stack([pairs.attribute, len(tokens) + pairs.object], dim=1)
    return encode_pair_prompts(frozen.tower, tokens, context, table, rows)


def encode_families(frozen: Frozen, contexts: Mapping[str, Tensor], table: Tensor, pairs: PairNumbers) -> Tensor:
    """Encodes the prompts of pairs, of all attributes and of all objects, each family behind a context of its own.

    Args:
        frozen: The frozen model.
        contexts: (L, W) by family.
        table: (A + O, W) the words, attributes first.
        pairs: K pairs.

    Returns:
        (K + A + O, D) in this order, not normalised.
    """
    count, words = len(frozen.words[ATTRIBUTE]), table.unsqueeze(1)
    families = [
        encode_pairs(frozen, contexts[PAIR], table, pairs),
        encode_words(frozen, contexts[ATTRIBUTE], words[:count]),
        encode_words(frozen, contexts[OBJECT], words[count:]),
    ]
    return torch.cat(families)
