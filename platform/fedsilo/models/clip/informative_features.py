"""Checks that a model tells inputs apart: weights and scaling of pixels can be finite and make everything the same."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from fedsilo.core import Examples, FeatureSource
from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.image_encoder import ImageEncoder

SAMPLE = 16
"""Images that are looked at."""

ALIKE = 1e-6
"""Largest distance of two features, over the largest norm, that is no more than rounding in single precision."""


def are_alike(rows: Tensor) -> bool:
    """Returns whether (n, ...) features are the same up to rounding; zeros are."""
    flat = rows.detach().flatten(1).double()
    return bool((flat - flat[0]).norm(dim=1).max() <= ALIKE * flat.norm(dim=1).max())


def describe_zeros(model: nn.Module, prefix: str = "") -> str:
    """Names a weight matrix of a model that is all zero, in brackets for a sentence; "" where there is none."""
    found = [name for name, weight in model.named_parameters() if weight.dim() > 1 and not weight.any()]
    return f" ({prefix}{found[0]} is all zero)" if found else ""


def require_apart(encoder: ImageEncoder, features: FeatureSource, examples: Examples) -> None:
    """Refuses features that are the same for all of some different images: nothing can be classified by them.

    Args:
        encoder: What made them, for the message.
        features: Of the examples, view 0.
        examples: The images; those with the same digest are one.

    Raises:
        BackboneError: A column is the same for all.
    """
    different = sorted({digest: place for place, digest in enumerate(examples.digests)}.values())
    chosen = np.array(different)[np.linspace(0, len(different) - 1, min(SAMPLE, len(different)), dtype=np.int64)]
    if len(chosen) < 2:
        return
    for name, rows in features.batch(chosen, 0).items():
        if are_alike(rows):
            keys = f"Set {encoder.pixel_keys} to null or to the data set's own, or use" if encoder.pixel_keys else "Use"
            raise BackboneError(
                f"features: the image tower of {encoder.name or encoder.fingerprint[:12]} gives {len(chosen)} "
                f"different images the same column '{name}'{describe_zeros(encoder.tower, 'visual.')}: nothing tells "
                f"them apart. {keys} other weights: backbone.pretrained."
            )
