"""Prompts without a common beginning: a class name in front or in the middle, a context for every class, or none.

Source: CoOp's class token positions and class-specific contexts, arXiv:2109.01134, section 3.2.

Dimensions: K classes, L context tokens, N prompts, S sequences, T longest sequence, W text width, D joint width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.text_tower import TextTower, encode_sequences

POSITIONS = ("end", "middle", "front")
"""Places of the class name: behind the context, between its halves, or before it."""


def encode_apart(tower: TextTower, classes: ClassTokens, contexts: Tensor, position: str) -> Tensor:
    """Encodes every class under every prompt, each as a sequence of its own.

    Args:
        tower: The frozen text tower.
        classes: Tokens of the class names, on the tower's device.
        contexts: (N, K, L, W); expand a context that all classes share.
        position: One of `POSITIONS`.

    Returns:
        (N, K, D), not normalised.

    Raises:
        BackboneError: A sequence is longer than the tower takes.
    """
    own = torch.split(classes.embeddings, list(classes.lengths))
    start = classes.sos.unsqueeze(0)
    sequences = [
        torch.cat([start, *_arrange(context, tokens, name, position)])
        for prompt in contexts
        for context, tokens, name in zip(prompt, own, classes.names, strict=True)
    ]
    return _encode(tower, classes, sequences, contexts.shape[2]).reshape(*contexts.shape[:2], -1)


def encode_names(tower: TextTower, classes: ClassTokens) -> Tensor:
    """Encodes the bare class names, `[SOS] name [EOT]`.

    Args:
        tower: The frozen text tower.
        classes: Tokens of the class names, on the tower's device.

    Returns:
        (K, D), not normalised.
    """
    own = torch.split(classes.embeddings, list(classes.lengths))
    start = classes.sos.unsqueeze(0)
    sequences = [
        torch.cat([start, tokens[:name], tokens[-1:]]) for tokens, name in zip(own, classes.names, strict=True)
    ]
    return _encode(tower, classes, sequences, 0)


def _encode(tower: TextTower, classes: ClassTokens, sequences: Sequence[Tensor], context: int) -> Tensor:
    """Returns the features (S, D) of sequences, each (T, W) with `context` learned tokens in it."""
    longest = max(len(sequence) for sequence in sequences)
    if longest > tower.meta.context_length:
        raise BackboneError(
            f"prompt: {context} context tokens and the name of class {classes.longest} need {longest} positions, the "
            f"text tower has {tower.meta.context_length}. Shorten the context or the name."
        )
    ends = torch.tensor([len(sequence) - 1 for sequence in sequences], device=sequences[0].device)
    padded = torch.stack([pad(sequence, (0, 0, 0, longest - len(sequence))) for sequence in sequences])
    return encode_sequences(tower, padded, ends)


def _arrange(context: Tensor, tokens: Tensor, name: int, position: str) -> tuple[Tensor, ...]:
    """Returns the parts of one prompt behind [SOS]; `tokens` are the name, the full stop and the end-of-text."""
    if position == "front":
        return tokens[:name], context, tokens[name:]
    if position == "middle":
        half = len(context) // 2
        return context[:half], tokens[:name], context[half:], tokens[name:]
    return context, tokens
