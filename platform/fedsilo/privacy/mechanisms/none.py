"""No privacy mechanism: updates leave clients as they are, and nothing is guaranteed."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import Mechanism


@dataclass(frozen=True)
class NoMechanism(Mechanism):
    """Nothing is clipped, no noise is added."""

    noisy = False
    allows_stale = True
