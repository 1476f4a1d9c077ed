"""Clipping of a change to an L2 norm, and Gaussian noise on named tensors."""

from __future__ import annotations

import math

from torch import Tensor

from fedsilo.core import State
from fedsilo.core.errors import ClientError
from fedsilo.core.seeds import KeyedGenerator

SLACK = 2.0**-20
"""Share by which a change is clipped below its bound, so that rounding to fp32 rarely lifts it above the bound."""


def add_gaussian_noise(state: State, deviation: float, generator: KeyedGenerator) -> dict[str, Tensor]:
    """Adds Gaussian noise to tensors, drawn in the order of their names.

    Noise is drawn and added in float64; the release is the sum, rounded to the type of the tensors.

    Args:
        state: Tensors by name.
        deviation: Standard deviation per coordinate, in the tensors' units.
        generator: The source of the noise.

    Returns:
        New tensors by name.
    """
    return {name: _noisy(state[name], deviation, generator) for name in sorted(state)}


def _noisy(tensor: Tensor, deviation: float, generator: KeyedGenerator) -> Tensor:
    noise = deviation * generator.normal(tensor.shape)
    return (tensor.double() + noise.to(tensor.device)).to(tensor.dtype)


def clip_change(upload: State, known: State, norm: float) -> dict[str, Tensor]:
    """Scales the change of an upload down, as a whole, to an L2 norm.

    Args:
        upload: Tensors by name.
        known: What the receiver knows of these tensors; the change is the difference.
        norm: Largest L2 norm of the change over all tensors.

    Returns:
        The upload with the clipped change; the norm of the change, computed from the numbers as they are sent, is at
        most
        `norm`.

    Raises:
        ClientError: The change is not finite, so its norm is not known.
    """
    change = {name: tensor.double() - known[name].double() for name, tensor in upload.items()}
    result, length, factor, slack = dict(upload), _distance(upload, known), 1.0, SLACK
    if not math.isfinite(length):
        raise ClientError(f"privacy.clip_norm: an update of norm {length} cannot be clipped. Lower the learning rate.")
    while length > norm:  # repeats where rounding beside large numbers has lengthened the change again
        factor *= norm / length * (1 - slack)
        result = {name: (known[name] + factor * tensor).to(upload[name].dtype) for name, tensor in change.items()}
        length, slack = _distance(result, known), min(2 * slack, 0.5)
    return result


def _distance(upload: State, known: State) -> float:
    """The L2 norm, over all tensors, of the difference of numbers as they are sent."""
    squares = ((tensor.double() - known[name].double()).square().sum() for name, tensor in upload.items())
    return math.sqrt(sum(float(square) for square in squares))
