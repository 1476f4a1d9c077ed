"""Observes a run from any machine that reaches its cluster, by calls to its coordinator."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError

from fedsilo.core.errors import FedsiloError, ResourceError, RunError
from fedsilo.report.results.progress_overview import Overview
from fedsilo_actors.cluster import NAMESPACE, set_defaults
from fedsilo_actors.recovery.coordinator_restart import coordinator_name
from fedsilo_actors.recovery.failures import first_line

REACH_S = 5.0
"""Longest wait for an address to accept a connection, seconds."""

JOIN_S = 40.0
"""Longest wait for Ray to join, seconds."""

ANSWER_S = 20.0
"""Longest wait for the coordinator, which answers beside its rounds, seconds."""

SUCCESSOR_S = 1.0
"""Time between two looks for the successor of a dead coordinator, seconds."""

PATIENCE = 3
"""Number of looks in a row without a coordinator after which a run has ended: the driver may be starting another."""

COORDINATOR = re.compile(re.escape(coordinator_name("")).join(("(.*)", r"(?: (\d+))?")))

Look = Callable[[], Overview | None]


@contextlib.contextmanager
def observe(run: str, address: str) -> Iterator[Look]:
    """Holds a connection to a cluster for looks at a run.

    Args:
        run: The run's name.
        address: "auto", "host:port" or "ray://host:port".

    Yields:
        A function that returns the run's progress, or None when the run has ended.

    Raises:
        ResourceError: The cluster cannot be reached, or the coordinator does not answer in time.
        RunError: No run of that name has a coordinator there.
    """
    with _join_cluster(address):
        _newest(run)
        yield lambda: _ask(run)


def _ask(run: str) -> Overview | None:
    """The coordinator's answer; where it died, its successor's. None when there is none: the run has ended."""
    deadline, absent = time.monotonic() + ANSWER_S, 0
    while time.monotonic() < deadline:
        try:
            coordinator: Any = _newest(run)
            found: Overview = ray.get(coordinator.overview.remote(), timeout=max(deadline - time.monotonic(), 0.1))
            return found
        except RunError:
            absent += 1
            if absent == PATIENCE:
                return None
        except RayActorError:  # Ray forgets a dead actor's name only after a moment
            pass
        except GetTimeoutError:
            break
        time.sleep(SUCCESSOR_S)
    raise ResourceError(f"{run}: its coordinator did not answer within {ANSWER_S:g} s. Try again later.") from None


def _newest(run: str) -> ActorHandle[Any]:
    """The run's coordinator: the one that was started last, if one died."""
    known = _coordinators()
    if run in known:
        with contextlib.suppress(ValueError):  # it has gone since
            return ray.get_actor(coordinator_name(run, known[run]), namespace=NAMESPACE)
    there = f"Running there: {', '.join(sorted(known))}." if known else "None is running there."
    raise RunError(f"{run}: no run of that name has a coordinator on the cluster. {there}")


def _coordinators() -> dict[str, int]:
    """All runs with a coordinator on the cluster, and how often it was started again."""
    names = [actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True)]
    found = sorted((match[1], int(match[2] or 1) - 1) for match in map(COORDINATOR.fullmatch, names) if match)
    return dict(found)


@contextlib.contextmanager
def _join_cluster(address: str) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    _reach(address)
    set_defaults()
    with _silence_stderr():
        _within(JOIN_S, lambda: _join(address), address)
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Refuses an address that accepts no connection: Ray itself would try for a minute and more."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:  # such as "auto", which Ray resolves itself
        return
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ResourceError(f"--address {address}: cannot be reached: {error}. Is Ray running there?") from None


@contextlib.contextmanager
def _silence_stderr() -> Iterator[None]:
    """Hides standard error: Ray's core writes a line there for each attempt to join."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _join(address: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            address=address,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )


def _within(limit_s: float, call: Callable[[], None], address: str) -> None:
    """Calls in a thread of its own, and waits for it no longer than the limit."""
    faults: list[BaseException] = []

    def guarded() -> None:
        try:
            call()
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise ResourceError(f"--address {address}: Ray did not answer within {limit_s:g} s.")
    for error in faults:
        if isinstance(error, FedsiloError):
            raise error
        raise ResourceError(
            f"--address {address}: Ray cannot be joined: {first_line(error)}. Has it this version of Ray, and is its "
            "token, if it requires one, in RAY_AUTH_TOKEN or ~/.ray/auth_token?"
        ) from None
