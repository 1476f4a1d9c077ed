"""Reservations of resources for actors, checked against what the cluster has before anything waits."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from fedsilo.config.sections import PACK, Actors
from fedsilo.core.errors import ResourceError
from fedsilo_actors.cluster import free_resources, total_resources
from fedsilo_actors.placement import labels
from fedsilo_actors.placement.packing import PROCESS_BYTES
from fedsilo_actors.placement.resources import Resources

TRACE = {"CPU": 0.001}
"""Reservation for an actor that asks for nothing, among others that do: Ray accepts no empty bundle."""


def check_capacity(asked: Sequence[Resources], who: str = "client actors") -> None:
    """Refuses what the cluster can never give, to all actors together or to those bound to some nodes.

    Args:
        asked: Resources of each actor.
        who: Name of the actors, for the message.

    Raises:
        ResourceError: The GPUs, CPUs, the memory or another resource do not suffice, or no node has the labels.
    """
    for own in sorted({demand.labels for demand in asked}):
        bound = [demand for demand in asked if demand.labels == own]
        if own:
            labels.require(own, f"{len(bound)} {who}")
            _check(
                bound, f"{who} on nodes with {labels.format_labels(own)}", labels.sum_resources(own), "these nodes have"
            )
    _check(asked, who, total_resources(), "the cluster has")


def _check(asked: Sequence[Resources], who: str, there_is: Mapping[str, float], have: str) -> None:
    """Refuses what the cluster can never give, in one line with what is asked and what there is.

    Args:
        asked: Resources of each actor.
        who: Name of the actors, for the message.
        there_is: The existing resources, by name.
        have: Owner of these resources, for the message.

    Raises:
        ResourceError: They do not suffice, with fractions of one GPU packed as Ray packs them.
    """
    whole = int(there_is.get("GPU", 0))
    needed = count_gpus([demand.gpus for demand in asked])
    if needed > whole:
        raise ResourceError(
            f"actors: {len(asked)} {who} ask for {_format_shares([d.gpus for d in asked])} GPU = "
            f"{sum(d.gpus for d in asked):g}, which takes {needed} whole GPUs; {have} {whole}. "
            "Lower actors.gpus_per_client, raise actors.clients_per_actor, or add a GPU."
        )
    _check_processes(len(asked), there_is.get("memory", math.inf), have)
    for name, field, unit in (("CPU", "cpus", 1), ("memory", "memory", 1 << 20)):
        wanted, there = sum(getattr(demand, field) for demand in asked), there_is.get(name, 0.0)
        if wanted > there + 1e-9:
            raise ResourceError(
                f"actors: {len(asked)} {who} ask for {wanted / unit:g} {name if unit == 1 else 'MiB memory'}, "
                f"{have} {there / unit:g}. Lower actors.{'cpus' if unit == 1 else 'memory_mb'}_per_client."
            )
    for name in sorted({name for demand in asked for name, _ in demand.others}):
        wanted, there = sum(dict(demand.others).get(name, 0.0) for demand in asked), there_is.get(name, 0.0)
        if wanted > there + 1e-9:
            raise ResourceError(
                f"actors: {len(asked)} {who} ask for {wanted:g} '{name}', {have} {there:g}. Start Ray with "
                "more, or ask for less under `resources`."
            )


def _check_processes(clients: int, memory: float, have: str) -> None:
    if clients * PROCESS_BYTES > memory:
        raise ResourceError(
            f"actors: {clients} client processes take about {clients * PROCESS_BYTES / 2**30:.0f} GiB of memory, "
            f"{have} {memory / 2**30:.0f}. Raise actors.clients_per_actor, or use more machines or "
            "actors.backend=serial."
        )


def count_gpus(shares: Sequence[float]) -> int:
    """Counts the GPUs that shares need: first fit, largest first, because a fraction comes from one GPU.

    Args:
        shares: Share of each actor.

    Returns:
        Whole GPUs.
    """
    free: list[float] = []
    whole = 0
    for share in sorted(shares, reverse=True):
        if share >= 1:
            whole += math.ceil(share)
            continue
        slot = next((i for i, left in enumerate(free) if left + 1e-9 >= share), None)
        if share and slot is None:
            free.append(1.0 - share)
        elif share and slot is not None:
            free[slot] -= share
    return whole + len(free)


def _format_shares(values: Sequence[float]) -> str:
    kinds = sorted(set(values), reverse=True)
    return " + ".join(f"{values.count(v)} x {v:g}" for v in kinds if v)


@dataclass(frozen=True, slots=True)
class WaitLimit:
    """How long to wait for resources.

    Attributes:
        timeout_s: Longest wait, seconds.
        for_nodes: Whether to wait also for resources that the cluster does not have yet.
    """

    timeout_s: float
    for_nodes: bool = False

    @classmethod
    def of(cls, section: Actors) -> WaitLimit:
        """Reads the limit of a scenario.

        Args:
            section: The scenario's `actors`.

        Returns:
            The limit.
        """
        return cls(section.start_timeout_s, section.wait_for_nodes)


@contextlib.contextmanager
def hold_placement(
    asked: Sequence[Resources], waiting: WaitLimit, who: str = "client actors", manner: str = PACK
) -> Iterator[PlacementGroup | None]:
    """Holds a reservation and gives it back.

    Args:
        asked: Resources of each actor.
        waiting: How long to wait.
        who: Name of the actors, for messages.
        manner: "pack" or "spread".

    Yields:
        The placement group; None where nothing is asked for.

    Raises:
        ResourceError: As `reserve`.
    """
    group = reserve(asked, waiting, who, manner)
    try:
        yield group
    finally:
        if group is not None:
            remove_placement_group(group)


def reserve(
    asked: Sequence[Resources], waiting: WaitLimit, who: str = "client actors", manner: str = PACK, name: str = ""
) -> PlacementGroup | None:
    """Reserves one bundle per actor.

    Args:
        asked: Resources of each actor.
        waiting: How long to wait.
        who: Name of the actors, for messages.
        manner: "pack" or "spread".
        name: Name of the placement group.

    Returns:
        The placement group; None where nothing is asked for.

    Raises:
        ResourceError: The cluster cannot give it, or does not within the time.
    """
    if not waiting.for_nodes:
        check_capacity(asked, who)
    if not any(demand.bundle() or demand.labels for demand in asked) and manner == PACK:
        return None
    group: PlacementGroup = placement_group(
        [demand.bundle() or TRACE for demand in asked],
        strategy=manner.upper(),
        name=name,
        bundle_label_selector=[dict(demand.labels) for demand in asked],
    )
    if not group.wait(waiting.timeout_s):
        remove_placement_group(group)
        raise ResourceError(_too_late(asked, waiting, who))
    return group


def _too_late(asked: Sequence[Resources], waiting: WaitLimit, who: str) -> str:
    """The message for resources that were not free in time, with what is asked and what is free."""
    needed: Counter[str] = Counter()
    for demand in asked:
        needed.update(demand.bundle())
    free = free_resources()
    wanted = ", ".join(
        f"{amount / _unit(name):g} {name}{' MiB' * (name == 'memory')} ({free.get(name, 0.0) / _unit(name):g} free)"
        for name, amount in sorted(needed.items())
    )
    bound = sorted({labels.format_labels(demand.labels) for demand in asked if demand.labels})
    nodes = f", nodes with {' and with '.join(bound)}" if bound else ""
    late = "and no node came that has it" if waiting.for_nodes else "though the cluster has it"
    return (
        f"actors: {len(asked)} {who} were not placed within {waiting.timeout_s:g} s: they ask for {wanted or 'a node'}"
        f"{nodes}, {late}. Wait for others to finish, ask for less, or raise actors.start_timeout_s."
    )


def _unit(name: str) -> int:
    return 1 << 20 if name == "memory" else 1
