"""Seconds by stage and who was slowest, for the record of a round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Clock:
    """Adds up wall time by stage."""

    def __init__(self) -> None:
        """Begins at zero."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time until it is left, if nothing goes wrong meanwhile."""
        started = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 6)


def slowest(took: Mapping[int, float]) -> dict[str, float]:
    """Returns the client that took longest, the first of equals, its seconds and the median of all; empty for nobody.

    Args:
        took: Seconds by client.
    """
    if not took:
        return {}
    client = min(took, key=lambda client: (-took[client], client))
    return {"client": client, "seconds": round(took[client], 6), "median": round(statistics.median(took.values()), 6)}
