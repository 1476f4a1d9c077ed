"""The cohort of every round: a function of the scenario, so that a budget can be planned before the first round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from fedsilo.config.stragglers import find_impossible
from fedsilo.core import PlannedRelease
from fedsilo.core.errors import ScenarioError
from fedsilo.simulation.client_sampling import ClientSampling
from fedsilo.simulation.cohort import Cohort, synchronous_cohorts
from fedsilo.simulation.fedbuff import BufferedSchedule


@dataclass(frozen=True)
class Schedule(ClientSampling):
    """The cohorts of one federation, round by round."""

    def participants(self, round: int) -> tuple[int, ...]:
        """Lists the clients whose updates count in a round.

        Args:
            round: The round.

        Returns:
            Client numbers, ascending; empty where a timed round ends without an update.
        """
        return self.cohorts[round].participants

    @cached_property
    def cohorts(self) -> tuple[Cohort, ...]:
        """The cohorts of all rounds: who takes part, and where time is simulated who is late or offline, and when.

        Returns:
            One cohort per round.

        Raises:
            ScenarioError: Stragglers and availability do not fit so many clients, or no client would ever answer.
        """
        if not self.timed:
            return tuple(Cohort(self.asked(round)) for round in range(self.rounds))
        self._refuse(find_impossible(self.stragglers, self.availability, len(self.clients), len(self.sizes)))
        if self.stragglers.buffered and self.buffer > self.concurrency:
            self._refuse(
                f"stragglers.concurrency: {self.concurrency} clients at work cannot fill a buffer of {self.buffer} at "
                "once. Use more, or a smaller stragglers.buffer."
            )
        if self.availability.weighs_messages and self.traffic is None:
            self._refuse(
                "availability: how long messages take (download_mbit_s, upload_mbit_s) is known once the backbone is "
                "loaded, not in a plan. Plan without the lines' speeds."
            )
        model = self.availability.make_model(len(self.sizes), self.seed)
        made = tuple(
            BufferedSchedule(self, model).cohorts() if self.stragglers.buffered else synchronous_cohorts(self, model)
        )
        if not any(cohort.participants for cohort in made):
            self._refuse(_never(self))
        return made

    @cached_property
    def exchange_counts(self) -> tuple[int, ...]:
        """The number of exchanges of each round.

        Returns:
            One number per round; 0 where a timed round ends without an update.
        """
        return tuple(self.exchanges(cohort.participants) for cohort in self.cohorts)

    @property
    def buffered(self) -> bool:
        """Returns whether updates may begin from an older shared state than that of their round."""
        return self.timed and self.stragglers.buffered

    def turns(self) -> Iterator[PlannedRelease]:
        """Yields all exchanges of the run, in order."""
        for round in range(self.rounds):
            yield from self.turns_of(round)

    def turns_of(self, round: int) -> Iterator[PlannedRelease]:
        """Lists the exchanges of one round.

        Args:
            round: The round.

        Returns:
            Number of the exchange and its clients, in order.
        """
        participants = self.participants(round)
        return ((exchange, participants) for exchange in range(self.exchanges(participants)))

    def outstanding(self, round: int) -> frozenset[int]:
        """Finds the shared states that later updates still need.

        Args:
            round: The round that has just ended.

        Returns:
            Rounds up to this one, without round 0, from whose shared states updates are still to come.
        """
        return frozenset(begun for begun, last in self._last_needed.items() if 0 < begun <= round < last)

    @cached_property
    def _last_needed(self) -> dict[int, int]:
        """The last round in which an update comes that began from a round's shared state, by the latter."""
        if not self.buffered:
            return {}
        return {begun: round for round, cohort in enumerate(self.cohorts) for begun in cohort.origins.values()}

    def _refuse(self, why: str) -> None:
        if why:
            raise ScenarioError(why)


def _never(schedule: Schedule) -> str:
    """Why no client ever answers, in one line."""
    stragglers, rounds = schedule.stragglers, schedule.rounds
    waited = "as long as it takes" if stragglers.deadline_s is None else f"{stragglers.deadline_s:g} simulated seconds"
    wanted = f"{schedule.buffer} updates" if stragglers.buffered else f"{stragglers.minimum} of those asked"
    return (
        f"availability: in none of {rounds} rounds would {wanted} come, each waited for {waited}. Give clients more "
        "time (stragglers.deadline_s), or let them be there more often (availability)."
    )
