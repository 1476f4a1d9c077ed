"""Attention between token rows, in two arrangements over which one causal text transformer runs.

`Sequences` is the ordinary one: S sequences of T tokens, each for itself. `SharedPrefix` is the fast one: all classes
share [SOS] and the context, so one packed sequence holds the prefix once and then every class's own tokens, and each
class attends to the prefix and to itself. Rows, not padded sequences, go through the matrix products.

Dimensions: N prompts or S sequences (batch), H heads, P prefix rows, R class rows in all, K classes, T tokens, W width,
d width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

TILE_ROWS = 64
"""Class rows that attend together: few calls, little work on masked pairs. The speed is the same from 32 to 128."""

_BLOCKED = float("-inf")


class AttentionPattern(Protocol):
    """How rows (batch, rows, W) attend to each other."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Computes the attention of every row.

        Args:
            queries: (batch, H, rows, d).
            keys: (batch, H, rows, d).
            values: (batch, H, rows, d).

        Returns:
            (batch, H, rows, d).
        """
        ...


class FullAttention:
    """Every row attends to every row of its sequence, as in the image tower."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Computes full attention within each sequence.

        Args:
            queries: (batch, H, rows, d).
            keys: (batch, H, rows, d).
            values: (batch, H, rows, d).

        Returns:
            (batch, H, rows, d).
        """
        return scaled_dot_product_attention(queries, keys, values)


class Arrangement(AttentionPattern, Protocol):
    """How rows (batch, rows, W) attend to each other, and which of them are read out."""

    def readout(self, rows: Tensor) -> Tensor:
        """Selects the rows that become features.

        Args:
            rows: (batch, rows, W).

        Returns:
            (batch, K, W).
        """
        ...

    def attend_readout(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Computes the attention of the rows read out.

        Args:
            queries: (batch, H, K, d) of the rows read out.
            keys: (batch, H, rows, d) of every row.
            values: (batch, H, rows, d) of every row.

        Returns:
            (batch, H, K, d).
        """
        ...


class Sequences:
    """Whole token sequences (S, T, W), each read out at one position."""

    def __init__(self, ends: Tensor, length: int) -> None:
        """Arranges S sequences.

        Args:
            ends: (S,) int64 position read out, in [0, T).
            length: T.
        """
        self._ends = ends
        self._rows = torch.arange(len(ends), device=ends.device)
        positions = torch.arange(length, device=ends.device)
        self._visible = (positions <= ends[:, None])[:, None, None, :]

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Computes causal attention within each sequence.

        Args:
            queries: (S, H, T, d).
            keys: (S, H, T, d).
            values: (S, H, T, d).

        Returns:
            (S, H, T, d).
        """
        return scaled_dot_product_attention(queries, keys, values, is_causal=True)

    def readout(self, rows: Tensor) -> Tensor:
        """Selects the row at each end.

        Args:
            rows: (S, T, W).

        Returns:
            (S, 1, W).
        """
        return rows[self._rows, self._ends].unsqueeze(1)

    def attend_readout(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Computes the attention of each end.

        Args:
            queries: (S, H, 1, d).
            keys: (S, H, T, d).
            values: (S, H, T, d).

        Returns:
            (S, H, 1, d).
        """
        return scaled_dot_product_attention(queries, keys, values, attn_mask=self._visible)


@dataclass(frozen=True, eq=False, slots=True)
class SharedPrefix:
    """One packed sequence per prompt: P prefix rows, then the R rows of all classes.

    Attributes:
        prefix: P.
        tiles: Class rows of each tile; whole classes only, sums to R.
        readouts: Classes of each tile, sums to K.
        masks: (rows, P + rows) per tile, added to the scores: 0 where a row may look, -inf elsewhere.
        end_masks: (classes, P + rows) per tile: the mask's rows that are read out.
        ends: (K,) packed position of each class's last row.
        positions: (P + R,) position of each packed row in its own sequence.
    """

    prefix: int
    tiles: tuple[int, ...]
    readouts: tuple[int, ...]
    masks: tuple[Tensor, ...]
    end_masks: tuple[Tensor, ...]
    ends: Tensor
    positions: Tensor

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Computes causal attention in the prefix, and of each class to the prefix and itself.

        Args:
            queries: (N, H, P + R, d).
            keys: (N, H, P + R, d).
            values: (N, H, P + R, d).

        Returns:
            (N, H, P + R, d).
        """
        sizes = [self.prefix, *self.tiles]
        head, *rest = torch.split(queries, sizes, dim=2)
        key_head, *key_rest = torch.split(keys, sizes, dim=2)
        value_head, *value_rest = torch.split(values, sizes, dim=2)
        found = [scaled_dot_product_attention(head, key_head, value_head, is_causal=True)]
        for query, key, value, mask in zip(rest, key_rest, value_rest, self.masks, strict=True):
            found.append(_attend_tile(query, (key_head, key), (value_head, value), mask))
        return torch.cat(found, dim=2)

    def readout(self, rows: Tensor) -> Tensor:
        """Selects the last row of each class.

        Args:
            rows: (N, P + R, W).

        Returns:
            (N, K, W).
        """
        return rows.index_select(1, self.ends)

    def attend_readout(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Computes the attention of the last row of each class.

        Args:
            queries: (N, H, K, d).
            keys: (N, H, P + R, d).
            values: (N, H, P + R, d).

        Returns:
            (N, H, K, d).
        """
        sizes = [self.prefix, *self.tiles]
        key_head, *key_rest = torch.split(keys, sizes, dim=2)
        value_head, *value_rest = torch.split(values, sizes, dim=2)
        asked = torch.split(queries, list(self.readouts), dim=2)
        found = [
            _attend_tile(query, (key_head, key), (value_head, value), mask)
            for query, key, value, mask in zip(asked, key_rest, value_rest, self.end_masks, strict=True)
        ]
        return torch.cat(found, dim=2)


def _attend_tile(query: Tensor, keys: tuple[Tensor, Tensor], values: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
    mask = mask.to(query.dtype)  # torch's CPU kernel silently misreads a fp32 mask of fp64 queries
    return scaled_dot_product_attention(query, torch.cat(keys, dim=2), torch.cat(values, dim=2), attn_mask=mask)


@lru_cache(maxsize=16)
def arrange_shared_prefix(lengths: tuple[int, ...], prefix: int, device: torch.device) -> SharedPrefix:
    """Builds the packed arrangement of classes behind a prefix; kept, since every training step needs it.

    Args:
        lengths: Own tokens of each class, name, full stop and end-of-text, >= 1 each.
        prefix: P, rows in front of every class: [SOS] and the context, >= 1.
        device: Device of the masks.

    Returns:
        The arrangement; the same object for the same arguments.
    """
    groups = _tiles(lengths)
    masks = [_mask(group, prefix) for group in groups]
    inner = [torch.tensor(group).cumsum(0) - 1 for group in groups]
    positions = torch.cat([torch.arange(prefix), *(prefix + torch.arange(length) for length in lengths)])
    return SharedPrefix(
        prefix=prefix,
        tiles=tuple(sum(group) for group in groups),
        readouts=tuple(len(group) for group in groups),
        masks=tuple(mask.to(device) for mask in masks),
        end_masks=tuple(mask[ends].to(device) for mask, ends in zip(masks, inner, strict=True)),
        ends=(prefix - 1 + torch.tensor(lengths).cumsum(0)).to(device),
        positions=positions.to(device),
    )


def _tiles(lengths: tuple[int, ...]) -> list[list[int]]:
    groups: list[list[int]] = []
    room = 0
    for length in lengths:
        if length > room:
            groups.append([])
            room = TILE_ROWS
        groups[-1].append(length)
        room -= length
    return groups


def _mask(lengths: list[int], prefix: int) -> Tensor:
    owner = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    own = (owner[:, None] == owner).tril()
    allowed = torch.cat([torch.ones(len(own), prefix, dtype=torch.bool), own], dim=1)
    return torch.zeros(allowed.shape).masked_fill(~allowed, _BLOCKED)
