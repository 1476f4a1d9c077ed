"""The exact privacy of Gaussian releases without sampling.

A release of multiplier z (noise deviation over sensitivity) has mu = 1 / z. Releases compose by adding mu^2, also where
each is chosen after seeing those before it. With Phi the normal distribution function,

    delta(epsilon) = Phi(mu / 2 - epsilon / mu) - e^epsilon Phi(-mu / 2 - epsilon / mu),

for either order of the two neighbours.

Source: Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy", ICML 2018, arXiv:1805.06530,
theorem 8; composition: Dong, Roth and Su, "Gaussian Differential Privacy", 2019, arXiv:1905.02383, corollary 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import erfcx, log_ndtr

SMALLEST_INVERSE = 1e-300
"""Deltas up to which 1 / delta may be infinite in floating point."""
LARGEST_MU = 1e6
"""Largest mu with an exact epsilon; above, epsilon is nearly mu^2 / 2, and an upper bound is returned."""


def gaussian_delta(epsilon: float, mu: float) -> float:
    """Computes the smallest delta of mu-Gaussian privacy at an epsilon.

    Args:
        epsilon: >= 0, may be infinite.
        mu: >= 0, may be infinite.

    Returns:
        In [0, 1]; 0 for mu = 0, 1 for infinite mu.
    """
    if mu == 0 or math.isinf(epsilon):
        return 0.0
    if math.isinf(mu):
        return 1.0
    near, far = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    if math.isinf(near):
        return 0.0
    if near < 0:
        first = float(log_ndtr(-near))
        return math.exp(first) * -math.expm1(min(0.0, epsilon + float(log_ndtr(-far)) - first))
    # e^epsilon Phi(-far) and Phi(-near) share the factor e^(-near^2 / 2): what is left can be subtracted without loss.
    scaled = float(erfcx(near / math.sqrt(2))) - float(erfcx(far / math.sqrt(2)))
    return max(0.0, scaled / 2) * math.exp(-near * near / 2)


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Computes the smallest epsilon of mu-Gaussian privacy at a delta, rounded up.

    Args:
        mu: Square root of the sum of the releases' mu^2, >= 0, may be infinite.
        delta: In (0, 1).

    Returns:
        In [0, inf]; right to about 1e-12 of itself up to mu = 1e6, above that an upper bound.
    """
    if gaussian_delta(0.0, mu) <= delta:
        return 0.0
    # Here Phi(mu / 2 - epsilon / mu) <= delta alone, by the Chernoff bound.
    enough = mu * mu / 2 + mu * math.sqrt(2 * (math.log(1 / delta) if delta > SMALLEST_INVERSE else -math.log(delta)))
    if mu > LARGEST_MU:
        return enough
    return _first(lambda epsilon: gaussian_delta(epsilon, mu) <= delta, 0.0, enough)


def gaussian_mu(epsilon: float, delta: float) -> float:
    """Computes the largest mu that is (epsilon, delta) private, rounded down: the inverse of `gaussian_epsilon`.

    Args:
        epsilon: >= 0; the range 1e-4 to 1e3 is tested.
        delta: In (0, 1).

    Returns:
        mu > 0.
    """
    low = high = 1.0
    while gaussian_delta(epsilon, low) > delta:
        low /= 2
    while gaussian_delta(epsilon, high) <= delta:
        high *= 2
    # Privacy grows with the multiplier 1 / mu.
    return 1 / _first(lambda multiplier: gaussian_delta(epsilon, 1 / multiplier) <= delta, 1 / high, 1 / low)


def _first(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The least number, rounded up, at which the condition holds; it holds at `high` and beyond, and not at `low`."""
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
