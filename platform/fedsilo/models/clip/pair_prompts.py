"""Prompts of pairs through the text tower: the context is run once, an attribute once for all pairs that have it.

A pair reads `[SOS] context attribute object [EOT]`. The mask is causal, so what stands before the object is the same
for all pairs of an attribute: of a pair's prompt only the object and the end-of-text are rows of their own.

Dimensions: K pairs, A attributes, O objects, R packed rows behind the prefix, L context tokens, W text width, D joint
width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.text_tower import AT_ONCE, TextTower, check_prompts
from fedsilo.models.clip.tower_attention import TILE_ROWS, SharedPrefix

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class PairArrangement:
    """The packed rows of pairs.

    Attributes:
        pattern: Which rows attend to which, and which are read out.
        sources: (R,) int64 number of each row among attributes, objects and the end-of-text, in this order.
        places: (K,) int64 place of each pair among those that are read out.
    """

    pattern: SharedPrefix
    sources: Tensor
    places: Tensor


def encode_pair_prompts(tower: TextTower, tokens: ClassTokens, context: Tensor, table: Tensor, pairs: Tensor) -> Tensor:
    """Encodes the prompts of pairs.

    Args:
        tower: The frozen text tower.
        tokens: Any tokens of the model, for the start and the end of a prompt.
        context: (L, W), differentiable.
        table: (A + O, W) the words, differentiable.
        pairs: (K, 2) int64 rows of the table: the attribute's and the object's.

    Returns:
        (K, D), not normalised.

    Raises:
        BackboneError: The context has another width than the tower, or is too long for two words.
    """
    if len(pairs) > AT_ONCE and not torch.is_grad_enabled():
        some = torch.split(pairs, AT_ONCE)
        return torch.cat([encode_pair_prompts(tower, tokens, context, table, each) for each in some])
    end = tokens.embeddings[-1:]
    longest = ClassTokens(torch.cat([table[:2], end]), (3,), tokens.sos, (2,))
    check_prompts(tower, longest, context.unsqueeze(0))
    packed = arrange_pairs(tuple(map(tuple, pairs.tolist())), len(table), 1 + len(context), context.device)
    rows = torch.cat([table, end])[packed.sources]
    rows = torch.cat([tokens.sos.unsqueeze(0), context, rows]).unsqueeze(0)
    return tower.run(rows, packed.pattern.positions, packed.pattern)[0][packed.places]


@lru_cache(maxsize=16)
def arrange_pairs(pairs: tuple[Pair, ...], words: int, prefix: int, device: torch.device) -> PairArrangement:
    """Packs pairs by attribute; kept, since every training step needs it.

    Args:
        pairs: The rows of the table of each of K pairs.
        words: Rows of the table, A + O.
        prefix: Rows in front of every pair: [SOS] and the context.
        device: Device of the masks.

    Returns:
        The arrangement; the same object for the same arguments.
    """
    order = sorted(range(len(pairs)), key=lambda number: pairs[number])
    groups = _split_by_attribute([pairs[number] for number in order])
    tiles = _fill_tiles(groups)
    depths = [torch.tensor([depth for group in tile for depth in _depths(group)]) for tile in tiles]
    masks = [_mask(tile, prefix) for tile in tiles]
    inner = [torch.nonzero(depth == 2)[:, 0] for depth in depths]
    sources = [row for group in groups for row in (group[0][0], *(r for _, object in group for r in (object, words)))]
    behind = torch.cat(depths)
    pattern = SharedPrefix(
        prefix=prefix,
        tiles=tuple(map(len, depths)),
        readouts=tuple(map(len, inner)),
        masks=tuple(mask.to(device) for mask in masks),
        end_masks=tuple(mask[ends].to(device) for mask, ends in zip(masks, inner, strict=True)),
        ends=(prefix + torch.nonzero(behind == 2)[:, 0]).to(device),
        positions=torch.cat([torch.arange(prefix), prefix + behind]).to(device),
    )
    places = torch.empty(len(pairs), dtype=torch.int64)
    places[torch.tensor(order)] = torch.arange(len(pairs))
    return PairArrangement(pattern, torch.tensor(sources, device=device), places.to(device))


def _split_by_attribute(pairs: list[Pair]) -> list[list[Pair]]:
    """Groups sorted pairs by attribute, as many in a group as a tile has room for."""
    most = (TILE_ROWS - 1) // 2
    every = [list(group) for _, group in groupby(pairs, key=lambda pair: pair[0])]
    return [group[start : start + most] for group in every for start in range(0, len(group), most)]


def _fill_tiles(groups: list[list[Pair]]) -> list[list[list[Pair]]]:
    tiles: list[list[list[Pair]]] = []
    room = 0
    for group in groups:
        rows = 1 + 2 * len(group)
        if rows > room:
            tiles.append([])
            room = TILE_ROWS
        tiles[-1].append(group)
        room -= rows
    return tiles


def _depths(group: list[Pair]) -> list[int]:
    """Returns how far behind the prefix each row of a group stands: the attribute, then each object and end-of-text."""
    return [0, *([1, 2] * len(group))]


def _mask(tile: list[list[Pair]], prefix: int) -> Tensor:
    """Makes the mask (rows, prefix + rows) of a tile: a row sees the prefix, its attribute, its object and itself."""
    depth = torch.tensor([d for group in tile for d in _depths(group)])
    owner = torch.tensor([number for number, group in enumerate(tile) for _ in _depths(group)])
    pair = torch.cumsum(depth == 1, 0)  # an attribute has the number of the pair before it, which does not matter
    own = (owner[:, None] == owner) & ((depth == 0) | (pair[:, None] == pair)) & (depth <= depth[:, None])
    allowed = torch.cat([torch.ones(len(own), prefix, dtype=torch.bool), own], dim=1)
    return torch.zeros(allowed.shape).masked_fill(~allowed, float("-inf"))
