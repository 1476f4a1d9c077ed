"""Backward passes through a recorded forward of the text tower, for chosen classes of single examples.

The tower is frozen: a backward is the forward's products with transposed weights, and little that is elementwise. For
each example only the chosen classes' own rows run backward. Their gradients by the keys and values of the prefix are
added up, and the prefix runs backward once per example, without [SOS], which is constant. The class rows end in the
first layer, because class names are constant too. Nothing of the forward is computed again.

Dimensions: B examples, n pairs of an example and a class, m class rows of all pairs; the others are those of
`models.clip.recorded_forward`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from fedsilo.models.clip.recorded_forward import AttentionRecord, NormRecord, Recording
from fedsilo.models.clip.text_tower import TextTower

_BLOCK = 64
"""Rows whose slopes are multiplied at once: they stay in the processor's cache, which halves the time."""


@dataclass(frozen=True, eq=False, slots=True)
class ExamplePairs:
    """Pairs of an example and a class, those of example 0 first.

    Attributes:
        classes: (n,) int64, the class of each pair.
        counts: B numbers, pairs of each example; sums to n.
    """

    classes: Tensor
    counts: Sequence[int]


@torch.no_grad()
def pull_back(recording: Recording, pairs: ExamplePairs, cotangents: Tensor) -> Tensor:
    """Computes each example's gradient by the context: cotangents times Jacobian, summed over its pairs.

    Args:
        recording: The forward.
        pairs: The classes that run backward for each example.
        cotangents: (n, D) of the class features as they are recorded, not normalised.

    Returns:
        (B, L, W).
    """
    reverse = _Reverse(recording, pairs)
    last = len(recording.layers) - 1
    rows = reverse.last_block(last, reverse.readout(cotangents))
    for number in reversed(range(last)):
        rows = reverse.block(number, rows)
    return reverse.contexts(rows)


def estimate_row_bytes(tower: TextTower) -> int:
    """Estimates the memory of one row that runs backward.

    Rows are the L of each example and, for each of its pairs, as many as the longest class has.

    Args:
        tower: The frozen text tower.

    Returns:
        Bytes, about the maximum.
    """
    wide = tower.tensors()["blocks.0.fc.weight"]
    return (2 * len(wide) + 8 * tower.width) * wide.element_size()


class _Reverse:
    """Runs the blocks backward on packed rows: the L context rows of each example, then the class rows of all pairs."""

    def __init__(self, recording: Recording, pairs: ExamplePairs) -> None:
        places, classes = recording.places, pairs.classes
        self._layers, self._norm_out, self._tensors = recording.layers, recording.norm, recording.tower.tensors()
        self._heads, self._pairs = recording.tower.meta.heads, pairs
        self._head = len(pairs.counts) * (places.prefix - 1)
        lengths, steps = places.lengths[classes][:, None], torch.arange(places.present.shape[1], device=classes.device)
        self._present = (steps < lengths).flatten().nonzero()[:, 0]  # (m,) of n * T padded rows, without padding
        ends = lengths.cumsum(0)
        # Padding copies the last row of its own pair: it has weight 0, and a nan must not reach another pair.
        self._padding = (ends - lengths + torch.minimum(steps, lengths - 1)).flatten()
        self._ends = self._head + ends[:, 0] - 1
        context = torch.arange(1, places.prefix, device=classes.device).repeat(len(pairs.counts))
        self._rows = torch.cat([context, places.rows[classes].flatten()[self._present]])

    def contexts(self, rows: Tensor) -> Tensor:
        return rows[: self._head].view(len(self._pairs.counts), -1, rows.shape[1])

    def readout(self, cotangents: Tensor) -> Tensor:
        """Returns the cotangents (n, W) of the rows read out."""
        weight = self._tensors.get("projection.weight")
        rows = cotangents if weight is None else cotangents @ weight
        return self._norm("norm", self._norm_out, rows, self._pairs.classes)

    def last_block(self, number: int, ends: Tensor) -> Tensor:
        """Returns the cotangents of the packed rows that entered the last block, from those (n, W) read out."""
        ends = self._mlp(number, ends, self._pairs.classes)
        asked = self._split(self._times(f"blocks.{number}.out", ends)).unsqueeze(2)
        (queries, keys, values), context = self._own(self._layers[number].attended, asked)
        inner = self._join(context, (torch.zeros_like(keys), keys, values))
        inner[self._ends, : ends.shape[1]] = queries.transpose(0, 1).flatten(1)
        return self._inputs(number, inner).index_add_(0, self._ends, ends)

    def block(self, number: int, rows: Tensor) -> Tensor:
        """Returns the cotangents of the packed rows that entered a block, from those that left it."""
        rows = self._mlp(number, rows, self._rows)
        asked, attended = self._times(f"blocks.{number}.out", rows), self._layers[number].attended
        padded = self._split(asked[self._head :].index_select(0, self._padding))
        own, sums = self._own(attended, _group(padded, len(self._pairs.classes)))
        context = self._context(attended, _group(self._split(asked[: self._head]), len(self._pairs.counts)))
        context = tuple(here + there for here, there in zip(context, sums, strict=True))
        inner = self._join(context, own if number else ())
        return self._inputs(number, inner).add_(rows[: len(inner)])

    def _mlp(self, number: int, rows: Tensor, places: Tensor) -> Tensor:
        layer, name = self._layers[number], f"blocks.{number}"
        inner = self._times(f"{name}.proj", rows)
        for part, there in zip(torch.split(inner, _BLOCK), torch.split(places, _BLOCK), strict=True):
            part.mul_(layer.slope.index_select(0, there))
        return self._norm(f"{name}.norm_2", layer.norm_2, self._times(f"{name}.fc", inner), places).add_(rows)

    def _inputs(self, number: int, inner: Tensor) -> Tensor:
        name, places = f"blocks.{number}", self._rows[: len(inner)]
        return self._norm(f"{name}.norm_1", self._layers[number].norm_1, self._times(f"{name}.qkv", inner), places)

    def _times(self, name: str, rows: Tensor) -> Tensor:
        return rows @ self._tensors[f"{name}.weight"]

    def _norm(self, name: str, normed: NormRecord, rows: Tensor, places: Tensor) -> Tensor:
        rows = rows * self._tensors[f"{name}.weight"]
        was = normed.rows.index_select(0, places)
        along = (rows * was).mean(dim=1, keepdim=True)
        rows = rows.sub_(rows.mean(dim=1, keepdim=True)).addcmul_(was, along, value=-1)
        return rows.mul_(normed.inverse.index_select(0, places))

    def _split(self, rows: Tensor) -> Tensor:
        """Returns rows (r, W) as heads (H, r, d)."""
        return rows.view(len(rows), self._heads, -1).transpose(0, 1).contiguous()

    def _join(self, context: Sequence[Tensor], own: Sequence[Tensor]) -> Tensor:
        """Returns packed rows (B L + m, 3W) of three (H, B, L, d) and three (H, n, T, d), or the B L of the former."""
        heads, _, _, width = context[0].shape
        count = self._head + (len(self._present) if own else 0)
        rows = context[0].new_empty(count, 3, heads, width)
        for part, values in enumerate(context):
            rows[: self._head, part] = values.flatten(1, 2).transpose(0, 1)
        for part, values in enumerate(own):
            rows[self._head :, part] = values.flatten(1, 2).index_select(1, self._present).transpose(0, 1)
        return rows.flatten(1)

    def _own(self, attended: AttentionRecord, asked: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Returns the gradients by class rows' attention for the cotangents (H, n, Q, d) of its results.

        They are by queries (H, n, Q, d), keys and values (H, n, T, d), and summed by example by the context's queries
        (zero), keys and values (H, B, L, d).
        """
        queries, keys, values, to_prefix, to_own = (
            part.index_select(1, self._pairs.classes)
            for part in (attended.queries, attended.keys, attended.values, attended.to_prefix, attended.to_own)
        )
        by_prefix = (asked.flatten(1, 2) @ attended.prefix_values.mT).view_as(to_prefix)
        by_own = asked @ values.mT
        mean = (to_prefix * by_prefix).sum(-1, keepdim=True) + (to_own * by_own).sum(-1, keepdim=True)
        by_prefix, by_own = by_prefix.sub_(mean).mul_(to_prefix), by_own.sub_(mean).mul_(to_own)
        by_queries = (by_prefix.flatten(1, 2) @ attended.prefix_keys).view_as(queries) + by_own @ keys
        by_queries *= queries.shape[-1] ** -0.5
        own = by_queries, by_own.mT @ queries, to_own.mT @ asked
        by_keys, by_values = self._sums(by_prefix, queries), self._sums(to_prefix, asked)
        return own, (torch.zeros_like(by_keys), by_keys, by_values)

    def _sums(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Returns (H, B, L, d): weights (H, n, Q, P) transposed times rows (H, n, Q, d), by example, without [SOS]."""
        bounds = pairwise(accumulate(self._pairs.counts, initial=0))
        found = [weights[:, a:b].flatten(1, 2)[..., 1:].mT @ rows[:, a:b].flatten(1, 2) for a, b in bounds]
        return torch.stack(found, dim=1)

    def _context(self, attended: AttentionRecord, asked: Tensor) -> tuple[Tensor, ...]:
        """Returns the gradients by the context rows' attention: by their queries, keys and values (H, B, L, d)."""
        assert attended.prefix_weights is not None, "the last block has none"
        weights, queries = attended.prefix_weights[:, None, 1:], attended.prefix_queries[:, None, 1:]
        scores = asked @ attended.prefix_values[:, None].mT
        scores = scores.sub_((weights * scores).sum(-1, keepdim=True)).mul_(weights)
        by_queries = (scores @ attended.prefix_keys[:, None]).mul_(queries.shape[-1] ** -0.5)
        return by_queries, scores[..., 1:].mT @ queries, weights[..., 1:].mT @ asked


def _group(rows: Tensor, groups: int) -> Tensor:
    """Returns (H, groups, r, d) of rows (H, groups * r, d)."""
    return rows.view(len(rows), groups, -1, rows.shape[-1])
