"""Which resources each client actor gets, checked against the cluster before anything waits."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from fedsilo.errors import ResourceError
from fedsilo.scenario.sections import Actors, ClientResources
from fedsilo_actors.cluster import available, total

PROCESS_BYTES = 340 << 20
"""What a process that has imported torch holds to itself, measured."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one actor asks Ray for.

    Attributes:
        gpus: GPUs, a fraction up to 1 or a whole number.
        cpus: CPUs that Ray reserves.
        memory: Bytes that Ray reserves, 0 for none.
    """

    gpus: float
    cpus: float
    memory: int = 0

    def bundle(self) -> dict[str, float]:
        """Returns the demand as a placement group bundle; Ray refuses an empty one, so a trace of CPU stands in."""
        bundle = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory)}
        return {name: value for name, value in bundle.items() if value > 0}


def demands(section: Actors, clients: int) -> list[Demand]:
    """Returns what each client asks for, in client order.

    Raises:
        ResourceError: `actors.clients` names a client that the partition does not have.
    """
    strangers = sorted(number for number in section.clients if not 0 <= number < clients)
    if strangers:
        raise ResourceError(
            f"actors.clients: there is no client {strangers[0]}, the partition has {clients} (0 to {clients - 1})."
        )
    return [_demand(section, section.clients.get(number, ClientResources())) for number in range(clients)]


def _demand(section: Actors, own: ClientResources) -> Demand:
    gpus = section.gpus_per_client if own.gpus is None else own.gpus
    cpus = section.cpus_per_client if own.cpus is None else own.cpus
    return Demand(gpus, cpus, section.memory_mb_per_client << 20)


def check(asked: Sequence[Demand]) -> None:
    """Refuses what the cluster can never give, in one line with what is asked and what there is.

    Raises:
        ResourceError: The GPUs, CPUs or the memory do not suffice, fractions of one GPU packed as Ray packs them.
    """
    there_is = total()
    whole = int(there_is.get("GPU", 0))
    needed = _gpus_needed([demand.gpus for demand in asked])
    if needed > whole:
        raise ResourceError(
            f"actors: {len(asked)} clients ask for {_listed([d.gpus for d in asked])} GPU = "
            f"{sum(d.gpus for d in asked):g}, which takes {needed} whole GPUs; the cluster has {whole}. "
            "Lower actors.gpus_per_client, use fewer clients, or add a GPU."
        )
    _check_processes(len(asked), there_is.get("memory", math.inf))
    for name, field, unit in (("CPU", "cpus", 1), ("memory", "memory", 1 << 20)):
        wanted, there = sum(getattr(demand, field) for demand in asked), there_is.get(name, 0.0)
        if wanted > there + 1e-9:
            raise ResourceError(
                f"actors: {len(asked)} clients ask for {wanted / unit:g} {name if unit == 1 else 'MiB memory'}, "
                f"the cluster has {there / unit:g}. Lower actors.{'cpus' if unit == 1 else 'memory_mb'}_per_client."
            )


def _check_processes(clients: int, memory: float) -> None:
    if clients * PROCESS_BYTES > memory:
        raise ResourceError(
            f"actors: {clients} client processes take about {clients * PROCESS_BYTES / 2**30:.0f} GiB of memory, "
            f"the cluster has {memory / 2**30:.0f}. Use fewer clients, more machines, or actors.backend=serial."
        )


def _gpus_needed(shares: Sequence[float]) -> int:
    """First fit, largest first: an actor's fraction comes from one GPU, never from two."""
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


def _listed(values: Sequence[float]) -> str:
    kinds = sorted(set(values), reverse=True)
    return " + ".join(f"{values.count(v)} x {v:g}" for v in kinds if v)


@contextlib.contextmanager
def placement(asked: Sequence[Demand], timeout_s: float, who: str = "clients") -> Iterator[PlacementGroup | None]:
    """Holds what `reserve` returns, and gives it back."""
    group = reserve(asked, timeout_s, who)
    try:
        yield group
    finally:
        if group is not None:
            remove_placement_group(group)


def reserve(asked: Sequence[Demand], timeout_s: float, who: str = "clients") -> PlacementGroup | None:
    """Returns a placement group with one bundle per actor, or None when nothing is asked for.

    Args:
        asked: What each actor asks for.
        timeout_s: Longest wait, seconds.
        who: What the actors are called.

    Raises:
        ResourceError: The cluster cannot give it, or does not within the time.
    """
    check(asked)
    bundles = [demand.bundle() or {"CPU": 0.001} for demand in asked]
    if not any(demand.bundle() for demand in asked):
        return None
    group: PlacementGroup = placement_group(bundles, strategy="PACK")
    if not group.wait(timeout_s):
        remove_placement_group(group)
        free = {k: v for k, v in available().items() if k in ("CPU", "GPU", "memory")}
        raise ResourceError(
            f"actors: {len(asked)} {who} were not placed within {timeout_s:g} s; free now: {free}. "
            "Wait for others to finish, ask for less, or raise actors.start_timeout_s."
        )
    return group
