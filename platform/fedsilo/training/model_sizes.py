"""Sizes of the frozen model that a trainable module is built for."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.frozen import Frozen


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """Sizes that a module is built for.

    Attributes:
        candidates: Candidates, K.
        joint: Width of pooled features and text features, D.
        width: Width of the text tower, W.
    """

    candidates: int
    joint: int
    width: int

    @classmethod
    def of(cls, frozen: Frozen) -> ModelSizes:
        """Reads the sizes of a frozen model.

        Args:
            frozen: The frozen model.

        Returns:
            K, D and W.
        """
        return cls(len(frozen.candidates), int(frozen.zero_shot.shape[1]), frozen.width)
