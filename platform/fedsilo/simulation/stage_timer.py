"""Seconds by stage and by client, and who was slowest, for the records of a round.

A line of timeline.jsonl is a stage of a round:

    round, stage       which
    began              seconds from the beginning of the round to the stage's first beginning, seen by the coordinator
    until, seconds     the same to its last end, and how long it took in all: a stage is entered once per exchange
    clients            clients that reported their part, ascending; none where updates are masked
    client_began, client_until, client_seconds      each one's first beginning, last end, and time at work

Clients tell the time by the clocks of their own machines, so theirs is as good as these agree.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Span:
    """When something began first and ended last, seconds since 1970, and how long it took in all."""

    began: float = math.inf
    until: float = -math.inf
    seconds: float = 0.0

    def add(self, began: float, seconds: float) -> None:
        self.began, self.until = min(self.began, began), max(self.until, began + seconds)
        self.seconds += seconds


@dataclass(slots=True)
class _Stage:
    whole: _Span = field(default_factory=_Span)
    clients: dict[int, _Span] = field(default_factory=dict)


class StageTimer:
    """Adds up wall time by stage from the moment that it is made, and keeps what clients tell of theirs."""

    def __init__(self) -> None:
        """Begins at zero."""
        self.seconds: dict[str, float] = {}
        self._began = time.time()
        self._stages: dict[str, _Stage] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the seconds until the context is left, if no error leaves it.

        Args:
            name: The stage's name.

        Yields:
            Nothing.
        """
        began, started = time.time(), time.perf_counter()
        yield
        took = time.perf_counter() - started
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 6)
        self._stages.setdefault(name, _Stage()).whole.add(began, took)

    def work(self, stage: str, began: Mapping[int, float], seconds: Mapping[int, float]) -> None:
        """Keeps what clients did in a stage that has ended.

        Args:
            stage: Its name.
            began: When each began, seconds since 1970; nan for one that does not tell.
            seconds: How long each took.
        """
        clients = self._stages[stage].clients
        for client, when in began.items():
            if math.isfinite(when) and math.isfinite(seconds[client]):
                clients.setdefault(client, _Span()).add(when, seconds[client])

    def lines(self, round: int) -> Iterator[dict[str, object]]:
        """Builds the round's lines of timeline.jsonl, in the order in which its stages began.

        Args:
            round: The round's number.

        Yields:
            One line per stage.
        """
        for name, stage in self._stages.items():
            clients = dict(sorted(stage.clients.items()))
            spans = {f"client_{key}": [each[key] for each in map(self._told, clients.values())] for key in _KEYS}
            yield {"round": round, "stage": name, **self._told(stage.whole), "clients": list(clients), **spans}

    def _told(self, span: _Span) -> dict[str, float]:
        """A span in seconds since the round began, to the microsecond."""
        from_here = (span.began - self._began, span.until - self._began, span.seconds)
        return dict(zip(_KEYS, (round(value, 6) for value in from_here), strict=True))


_KEYS = ("began", "until", "seconds")


def slowest(took: Mapping[int, float]) -> dict[str, float]:
    """Finds the client that took longest; of equal ones the first.

    Args:
        took: Seconds by client.

    Returns:
        The client, its seconds, and the median of all; empty without clients.
    """
    if not took:
        return {}
    client = min(took, key=lambda client: (-took[client], client))
    return {"client": client, "seconds": round(took[client], 6), "median": round(statistics.median(took.values()), 6)}
