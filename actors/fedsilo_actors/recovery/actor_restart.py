"""New reservations for actors that are started again: with more resources, or anywhere after Ray has given an actor up.

Ray releases the bundles of a reservation only all together. So an actor that moves gets a reservation of its own, and
its old bundle stays empty. Where the cluster has no room for that, all actors are ended and placed again, as at the
beginning of the run.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.util.placement_group import (
    PlacementGroup,
    get_placement_group,
    placement_group_table,
    remove_placement_group,
)

from fedsilo.core.errors import ResourceError
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.reservation import WaitLimit, reserve
from fedsilo_actors.recovery.client_starter import ClientStarter

BESIDE_S = 5.0
"""Longest wait for room beside the other actors, before all are placed again, seconds."""

NAME_S = 30.0
"""How long a dead actor's name may stay taken, seconds."""

POLL_S = 0.2


ALL = -1
"""Number of the reservation of all actors, beside the numbers of single actors."""


class Relocation:
    """The reservations of a run's actors, some of which have moved."""

    def __init__(self, hosting: ClientStarter, group: PlacementGroup | None) -> None:
        """Begins with all actors in one reservation.

        Args:
            hosting: Starts actors.
            group: The reservation; None where nothing was asked for.
        """
        self._hosting, self._group = hosting, group
        self._waiting = WaitLimit.of(hosting.section)
        self._own: dict[int, PlacementGroup] = {}
        self._names: dict[int, str] = {}

    def move(self, numbers: Iterable[int], actors: list[ActorHandle[Any]], hosts: Sequence[Host]) -> set[int]:
        """Starts actors again with the resources that their hosts ask for now, and replaces their handles in the list.

        Args:
            numbers: Numbers of the actors that move.
            actors: All actors, in the order of the hosts.
            hosts: All hosts.

        Returns:
            The numbers of all actors that were started again: these, or all.

        Raises:
            ResourceError: The cluster cannot give the resources; the message has what is asked for and what there is.
        """
        moved = sorted(numbers)
        sweep(self._hosting.run, self._names.values())
        for number in moved:
            ray.kill(actors[number], no_restart=True)
            self._release(number)
        try:
            for number in moved:
                self._beside(number, actors, hosts)
            return set(moved)
        except ResourceError:
            return self._all(actors, hosts)

    def _beside(self, number: int, actors: list[ActorHandle[Any]], hosts: Sequence[Host]) -> None:
        limit = self._waiting.timeout_s if self._waiting.for_nodes else min(self._waiting.timeout_s, BESIDE_S)
        name = _name(self._hosting.run)
        group = reserve([hosts[number].demand], WaitLimit(limit, self._waiting.for_nodes), name=name)
        if group is not None:
            self._own[number], self._names[number] = group, name
        actors[number] = self._start(hosts[number], group)

    def _all(self, actors: list[ActorHandle[Any]], hosts: Sequence[Host]) -> set[int]:
        for actor in actors:
            ray.kill(actor, no_restart=True)
        for number in list(self._own):
            self._release(number)
        if self._group is not None:
            remove_placement_group(self._group)
        run, manner = self._hosting.run, self._hosting.section.placement
        self._names = {ALL: _name(run)}
        self._group = reserve([host.demand for host in hosts], self._waiting, manner=manner, name=self._names[ALL])
        actors[:] = [self._start(host, self._group, bundle) for bundle, host in enumerate(hosts)]
        return set(range(len(hosts)))

    def _release(self, number: int) -> None:
        if number in self._own:
            remove_placement_group(self._own.pop(number))
            del self._names[number]

    def _start(self, host: Host, group: PlacementGroup | None, bundle: int = 0) -> ActorHandle[Any]:
        """The started actor; Ray frees the name of the dead one only after some time."""
        deadline = time.monotonic() + NAME_S
        while True:
            try:
                return self._hosting.start(host, group, bundle)
            except ValueError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)


def sweep(run: str, but: Collection[str] = ()) -> None:
    """Gives back the reservations that actors of a run moved into.

    Ray keeps what an actor reserved until its whole job ends, also when that actor, a coordinator, is dead.

    Args:
        run: The run's name.
        but: Names of reservations that are still needed.
    """
    for entry in placement_group_table().values():
        name = entry["name"]
        if name.startswith(_name(run, "")) and name not in but and entry["state"] != "REMOVED":
            remove_placement_group(get_placement_group(name))


def _name(run: str, own: str | None = None) -> str:
    return f"{run} moved {uuid.uuid4().hex if own is None else own}"
