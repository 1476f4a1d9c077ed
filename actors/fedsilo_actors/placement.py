"""Room for actors, checked against what the cluster has before anything waits."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from fedsilo.errors import ResourceError
from fedsilo_actors.cluster import available, total
from fedsilo_actors.demand import Demand
from fedsilo_actors.packing import PROCESS_BYTES


def check(asked: Sequence[Demand], who: str = "client actors") -> None:
    """Refuses what the cluster can never give, in one line with what is asked and what there is.

    Args:
        asked: What each actor asks for.
        who: What the actors are called.

    Raises:
        ResourceError: The GPUs, CPUs, the memory or another resource do not suffice, fractions of one GPU packed as Ray
            packs them.
    """
    there_is = total()
    whole = int(there_is.get("GPU", 0))
    needed = _gpus_needed([demand.gpus for demand in asked])
    if needed > whole:
        raise ResourceError(
            f"actors: {len(asked)} {who} ask for {_listed([d.gpus for d in asked])} GPU = "
            f"{sum(d.gpus for d in asked):g}, which takes {needed} whole GPUs; the cluster has {whole}. "
            "Lower actors.gpus_per_client, raise actors.clients_per_actor, or add a GPU."
        )
    _check_processes(len(asked), there_is.get("memory", math.inf))
    for name, field, unit in (("CPU", "cpus", 1), ("memory", "memory", 1 << 20)):
        wanted, there = sum(getattr(demand, field) for demand in asked), there_is.get(name, 0.0)
        if wanted > there + 1e-9:
            raise ResourceError(
                f"actors: {len(asked)} {who} ask for {wanted / unit:g} {name if unit == 1 else 'MiB memory'}, "
                f"the cluster has {there / unit:g}. Lower actors.{'cpus' if unit == 1 else 'memory_mb'}_per_client."
            )
    for name in sorted({name for demand in asked for name, _ in demand.others}):
        wanted, there = sum(dict(demand.others).get(name, 0.0) for demand in asked), there_is.get(name, 0.0)
        if wanted > there + 1e-9:
            raise ResourceError(
                f"actors: {len(asked)} {who} ask for {wanted:g} '{name}', the cluster has {there:g}. Start it with "
                "more, or ask for less under `resources`."
            )


def _check_processes(clients: int, memory: float) -> None:
    if clients * PROCESS_BYTES > memory:
        raise ResourceError(
            f"actors: {clients} client processes take about {clients * PROCESS_BYTES / 2**30:.0f} GiB of memory, "
            f"the cluster has {memory / 2**30:.0f}. Raise actors.clients_per_actor, or use more machines or "
            "actors.backend=serial."
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
def placement(asked: Sequence[Demand], timeout_s: float, who: str = "client actors") -> Iterator[PlacementGroup | None]:
    """Holds what `reserve` returns, and gives it back."""
    group = reserve(asked, timeout_s, who)
    try:
        yield group
    finally:
        if group is not None:
            remove_placement_group(group)


def reserve(asked: Sequence[Demand], timeout_s: float, who: str = "client actors") -> PlacementGroup | None:
    """Returns a placement group with one bundle per actor, or None when nothing is asked for.

    Args:
        asked: What each actor asks for.
        timeout_s: Longest wait, seconds.
        who: What the actors are called.

    Raises:
        ResourceError: The cluster cannot give it, or does not within the time.
    """
    check(asked, who)
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
