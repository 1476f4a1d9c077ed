"""Errors of Ray as errors of fedsilo: one line with what happened and what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ray.exceptions import (
    ActorPlacementGroupRemoved,
    ActorUnschedulableError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    TaskPlacementGroupRemoved,
    TaskUnschedulableError,
    WorkerCrashedError,
)

from fedsilo.core.errors import ClusterError, FedsiloError

REMEDIES: tuple[tuple[type[RayError] | tuple[type[RayError], ...], str, str], ...] = (
    (ObjectStoreFullError, "the object store is full", "Raise actors.object_store_mb or free memory"),
    (OutOfDiskError, "the disk that Ray moves objects to is full", "Free space there"),
    (OutOfMemoryError, "a process was ended because its machine ran low on memory",
     "Raise actors.clients_per_actor, ask for less, or use a larger machine"),
    (ObjectLostError, "an object was lost with the process or the machine that held it", "Look at that machine"),
    ((NodeDiedError, LocalRayletDiedError), "a machine of the cluster is gone", "Bring it back or do without it"),
    ((ActorUnschedulableError, TaskUnschedulableError, ActorPlacementGroupRemoved, TaskPlacementGroupRemoved),
     "nothing that is left of the cluster can hold an actor", "Bring the lost machine back, or ask for less"),
    ((RayActorError, WorkerCrashedError), "a process died", "Look at the machine's memory and its log"),
)  # fmt: skip
"""Errors of Ray with what they mean and what to do; the first one that fits is used."""


def first_line(error: BaseException) -> str:
    """Shortens an error's text to its first line.

    Args:
        error: Any error.

    Returns:
        The line without a full stop; the error's type where it has no text.
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def explain(error: RayError, where: str) -> FedsiloError:
    """Translates an error of Ray; a fedsilo error that Ray has carried is returned as it was.

    Args:
        error: What Ray raised.
        where: What failed, such as "coordinator".

    Returns:
        A fedsilo error.
    """
    cause: BaseException = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, FedsiloError):
        return cause
    if isinstance(cause, MemoryError):
        return ClusterError(f"{where}: ran out of memory. Use a larger machine or less data, then resume the run.")
    if not isinstance(cause, RayError):
        return ClusterError(f"{where}: {type(cause).__name__}: {first_line(cause)}. Then resume the run.")
    for kinds, what, remedy in REMEDIES:
        if isinstance(cause, kinds):
            return ClusterError(f"{where}: {what} ({first_line(cause)}). {remedy}, then resume the run.")
    return ClusterError(f"{where}: Ray failed: {type(cause).__name__}: {first_line(cause)}. Then resume the run.")


@contextlib.contextmanager
def translate_ray_errors(where: str) -> Iterator[None]:
    """Turns all errors of Ray inside the context into fedsilo errors.

    Args:
        where: What the code inside does.

    Yields:
        None.

    Raises:
        FedsiloError: Instead of any error of Ray.
    """
    try:
        yield
    except RayError as error:
        raise explain(error, where) from error
