"""Prompts that have no common beginning: a class name in front or in the middle, or a context for every class.

Source: CoOp's class token positions and class-specific contexts, arXiv:2109.01134, section 3.2.

Dimensions: K classes, L context tokens, N prompts, T longest sequence, W text width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from fedsilo.backbone.text_tower import TextTower, encode_sequences
from fedsilo.backbone.tokens import ClassTokens
from fedsilo.errors import BackboneError

POSITIONS = ("end", "middle", "front")
"""Where the class name stands: behind the context, between its halves, or before it."""


def encode_apart(tower: TextTower, classes: ClassTokens, contexts: Tensor, position: str) -> Tensor:
    """Returns the features of every class under every prompt, each a sequence of its own.

    Args:
        tower: The frozen tower.
        classes: The class names' own tokens.
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
        torch.cat([start, *_arranged(context, tokens, name, position)])
        for prompt in contexts
        for context, tokens, name in zip(prompt, own, classes.names, strict=True)
    ]
    longest = max(len(sequence) for sequence in sequences)
    if longest > tower.meta.context_length:
        raise BackboneError(
            f"prompt: {contexts.shape[2]} context tokens and the name of class {classes.longest} need {longest} "
            f"positions, the text tower has {tower.meta.context_length}. Shorten the context or the name."
        )
    ends = torch.tensor([len(sequence) - 1 for sequence in sequences], device=contexts.device)
    padded = torch.stack([pad(sequence, (0, 0, 0, longest - len(sequence))) for sequence in sequences])
    return encode_sequences(tower, padded, ends).reshape(*contexts.shape[:2], -1)


def _arranged(context: Tensor, tokens: Tensor, name: int, position: str) -> tuple[Tensor, ...]:
    """The parts of one prompt behind [SOS]; `tokens` are the name, the full stop and the end-of-text."""
    if position == "front":
        return tokens[:name], context, tokens[name:]
    if position == "middle":
        half = len(context) // 2
        return context[:half], tokens[:name], context[half:], tokens[name:]
    return context, tokens
