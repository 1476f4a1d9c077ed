"""How long rounds wait for clients: the scenario's section `stragglers`. All of its time is simulated.

Source: Bonawitz et al., "Towards Federated Learning at Scale: System Design", MLSys 2019, arXiv:1902.01046, for
over-selection, deadlines and rounds that are given up; Nguyen et al., "Federated Learning with Buffered Asynchronous
Aggregation", AISTATS 2022, arXiv:2106.06639, for buffered rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fedsilo.core import Availability
from fedsilo.core.config_fields import key

SYNCHRONOUS, BUFFERED = "synchronous", "buffered"
OF_SYNCHRONOUS, OF_BUFFERED = ("over_select", "minimum"), ("buffer", "concurrency", "staleness_exponent", "server_rate")
"""Keys that only one mode uses."""


@dataclass(frozen=True)
class StragglerPolicy:
    """How long rounds wait for clients, in simulated time."""

    mode: str = key(
        SYNCHRONOUS,
        "synchronous: a round asks clients and waits for them; buffered: clients work all the time, and a round is the "
        "server's step after a number of updates (FedBuff).",
        SYNCHRONOUS,
        BUFFERED,
    )
    deadline_s: float | None = key(
        None,
        "Simulated seconds after which a round stops waiting for a client: its update does not count, and its private "
        "state stays as before. null: no deadline.",
        within="> 0",
    )
    over_select: float = key(
        1.0,
        "Factor on the number of clients that a round asks; the first answers are taken, other clients are stopped.",
        within=">= 1",
    )
    minimum: int = key(
        1, "A synchronous round with fewer answers than this ends without an update; it is on record.", within=">= 1"
    )
    buffer: int | None = key(
        None, "Updates of a buffered round. null: as many as training.participation says.", within=">= 1"
    )
    concurrency: int | None = key(
        None, "Clients that are at work at once in buffered rounds. null: all that train.", within=">= 1"
    )
    staleness_exponent: float = key(
        0.5,
        "Exponent a of the weight (1 + s)^-a of an update that began s rounds ago, in buffered rounds; 0: full weight.",
        within=">= 0",
    )
    server_rate: float = key(1.0, "Step size of the server along the buffered updates.", within="> 0")

    @property
    def buffered(self) -> bool:
        """Returns whether clients work all the time, and a round is the server's step after a number of updates."""
        return self.mode == BUFFERED

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields beyond their ranges."""
        found = list(self._of_the_other_mode())
        if self.buffered and self.buffer and self.concurrency and self.concurrency < self.buffer:
            found.append(
                f"concurrency: {self.concurrency} clients at work cannot fill a buffer of {self.buffer} at once. Use "
                f"at least {self.buffer}, or a smaller buffer."
            )
        return found

    def _of_the_other_mode(self) -> Iterator[str]:
        usual = StragglerPolicy.__dataclass_fields__
        for name in OF_SYNCHRONOUS if self.buffered else OF_BUFFERED:
            if getattr(self, name) != usual[name].default:
                needed = SYNCHRONOUS if self.buffered else BUFFERED
                yield f"{name}: is for {needed} rounds, but mode is '{self.mode}'. Leave it out, or set mode."

    def staleness_weight(self, staleness: int) -> float:
        """Computes the weight of an update that began in an earlier round (FedBuff).

        Args:
            staleness: Rounds since the update began.

        Returns:
            A weight in (0, 1]; 1 for a fresh update.
        """
        return float((1 + staleness) ** -self.staleness_exponent)


def find_impossible(stragglers: StragglerPolicy, availability: Availability, training: int, clients: int) -> str:
    """Checks the sections stragglers and availability against the number of clients.

    Args:
        stragglers: The scenario's section.
        availability: The scenario's section.
        training: Clients that train.
        clients: All clients.

    Returns:
        A line 'key: why. What to do.'; "" if they fit.
    """
    for line in availability.refusals(clients):
        return f"availability.{line}"
    for name in ("buffer", "concurrency", "minimum"):
        asked = getattr(stragglers, name)
        if asked is not None and asked > training:
            return f"stragglers.{name}: is {asked}, but {training} clients train. Use at most {training}."
    return ""
