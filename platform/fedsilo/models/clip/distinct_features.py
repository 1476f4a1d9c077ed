"""Checks that a model distinguishes inputs: finite weights or scales of pixels can still make all features equal."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from fedsilo.core import Examples, FeatureSource
from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.image_encoder import ImageEncoder

SAMPLE = 16
"""Number of images that are compared."""

ALIKE = 1e-6
"""Largest distance of two features, over the largest norm, that counts as fp32 rounding."""


def are_alike(rows: Tensor) -> bool:
    """Checks whether features are the same up to rounding; zeros are.

    Args:
        rows: (n, ...) features.

    Returns:
        Whether all rows are the same.
    """
    flat = rows.detach().flatten(1).double()
    return bool((flat - flat[0]).norm(dim=1).max() <= ALIKE * flat.norm(dim=1).max())


def describe_zeros(model: nn.Module, prefix: str = "") -> str:
    """Names a weight matrix of a model that is all zero.

    Args:
        model: The model.
        prefix: Text in front of the matrix's name.

    Returns:
        Text in brackets for a sentence; "" where no matrix is zero.
    """
    found = [name for name, weight in model.named_parameters() if weight.dim() > 1 and not weight.any()]
    return f" ({prefix}{found[0]} is all zero)" if found else ""


def require_distinct(encoder: ImageEncoder, features: FeatureSource, examples: Examples) -> None:
    """Checks that different images do not all have the same feature: nothing could be classified by it.

    Args:
        encoder: The tower that computed the features, for the message.
        features: Features of the examples; view 0 is read.
        examples: The images; those with the same digest count as one.

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
                f"different images the same column '{name}'{describe_zeros(encoder.tower, 'visual.')}: they cannot "
                f"be distinguished. {keys} other weights: backbone.pretrained."
            )
