"""Sizes of the frozen model that a trainable module is built for."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.batch import ATTRIBUTE, OBJECT
from fedsilo.core.frozen import Frozen


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """Sizes that a module is built for.

    Attributes:
        candidates: Candidates, K.
        joint: Width of pooled features and text features, D.
        width: Width of the text tower, W.
        attributes: Attributes, A; 0 where candidates are not composed.
        objects: Objects, O; 0 where candidates are not composed.
        image_width: Width of the image tower; 0 where clients run none of its blocks.
        image_blocks: Blocks of the whole image tower; 0 where clients run none of them.
    """

    candidates: int
    joint: int
    width: int
    attributes: int = 0
    objects: int = 0
    image_width: int = 0
    image_blocks: int = 0

    @classmethod
    def of(cls, frozen: Frozen) -> ModelSizes:
        """Reads the sizes of a frozen model.

        Args:
            frozen: The frozen model.

        Returns:
            The sizes.
        """
        attributes, objects = (len(frozen.words.get(part, ())) for part in (ATTRIBUTE, OBJECT))
        width, blocks = (0, 0) if frozen.image is None else (frozen.image.width, frozen.image.meta.layers)
        joint = int(frozen.zero_shot.shape[1])
        return cls(len(frozen.candidates), joint, frozen.width, attributes, objects, width, blocks)
