"""Selection of the classes that run backward through the text tower, for each example.

The cotangent of a class's feature is a row; for a cross-entropy it is scale * (p - y) times the image, so most rows of
an example are almost zero. The smallest rows are dropped as long as their sizes (2-norms) add up to no more than
`tolerance` times those of all rows, and their sum is spread evenly over the rows that are kept. So the sum of an
example's rows stays the same. That matters: the rows of a cross-entropy add up to zero, and the part of the gradient
that all classes' features have in common cancels; rows cut off without compensation would bring it back.

With J_k the Jacobian of class k's feature, the gradient moves by at most

    moved * (sum of the rows' sizes) * max over k of |J_k - mean of the kept J| <= 2 * moved * (...) * max |J_k|

where `moved`, at most the tolerance, is the share of the sizes that was dropped. All of this is a function of one
example and of the frozen model: clipping still bounds what an example adds to a sum, and privacy does not change.

Dimensions: B examples, K classes, D joint width, n kept pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.models.clip.tower_backward import ExamplePairs


@dataclass(frozen=True, eq=False, slots=True)
class Selection:
    """The rows of one prompt that are kept.

    Attributes:
        kept: (B, K) whether a row is kept.
        moved: (B,) share of an example's sizes that was dropped, in [0, tolerance].
    """

    kept: Tensor
    moved: Tensor

    def part(self, examples: slice, cotangents: Tensor) -> tuple[ExamplePairs, Tensor]:
        """Collects the kept rows of some examples; the dropped rows are spread over them.

        Args:
            examples: The examples.
            cotangents: (B, K, D) rows of all examples.

        Returns:
            The pairs of example and class, and their rows (n, D).
        """
        kept, rows = self.kept[examples], cotangents[examples]
        owner, classes = kept.nonzero(as_tuple=True)
        counts = kept.sum(dim=1)
        dropped = (~kept).to(rows.dtype).unsqueeze(1) @ rows  # (b, 1, D)
        spread = dropped[:, 0] / counts.clamp(min=1)[:, None]
        return ExamplePairs(classes, counts.tolist()), rows[owner, classes] + spread[owner]


def select(cotangents: Tensor, tolerance: float) -> Selection:
    """Selects the fewest rows of each example that hold all but `tolerance` of its size.

    Args:
        cotangents: (B, K, D) rows.
        tolerance: Largest share that may be dropped, in [0, 1); 0 drops rows of zeros only. Examples that are not
            finite keep all rows.

    Returns:
        The rows kept and the share moved.
    """
    sizes = torch.linalg.vector_norm(cotangents, dim=-1)
    ordered, order = sizes.sort(dim=1, descending=True, stable=True)
    rest = ordered.flip(1).cumsum(1).flip(1)  # size that is dropped with a row and all smaller ones
    whole = rest[:, :1]
    keeps = (rest > tolerance * whole) | ~whole.isfinite()
    kept = torch.zeros_like(keeps).scatter_(1, order, keeps)
    moved = sizes.masked_fill(kept, 0).sum(dim=1) / whole[:, 0].clamp(min=torch.finfo(sizes.dtype).tiny)
    return Selection(kept, moved)
