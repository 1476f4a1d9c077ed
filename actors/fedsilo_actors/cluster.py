"""The connection to Ray: starts a local Ray or joins a cluster, and leaves the cluster as it was found."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import ray

from fedsilo.config.sections import Actors
from fedsilo.core.errors import ResourceError
from fedsilo_actors.recovery.failures import first_line

NAMESPACE = "fedsilo"
CLIENT = "ray://"
"""Prefix of the address of a cluster that this machine is not part of: Ray's client."""

RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Environment variable of a process that Ray started as a job: the runtime environment of the job, as JSON."""


@contextlib.contextmanager
def connect_cluster(section: Actors, code: Sequence[ModuleType] = ()) -> Iterator[str]:
    """Holds a connection to Ray.

    A Ray that is already connected is used and left running. Otherwise one is started on this machine, or joined at
    `actors.address`, and left at the end.

    Args:
        section: The scenario's `actors`.
        code: Modules that actors need beside fedsilo.

    Yields:
        The dashboard's address; "" without one.

    Raises:
        ResourceError: Ray cannot be started or reached.
    """
    if ray.is_initialized():
        yield ""
        return
    set_defaults()
    try:
        with warnings.catch_warnings(), _keep_sigterm_handler():
            warnings.simplefilter("ignore")
            context = _init_ray(_arguments(section, code))
    except Exception as error:
        raise ResourceError(_refusal(section, first_line(error))) from error
    try:
        yield str(getattr(context, "dashboard_url", "") or "")
    finally:
        ray.shutdown()


def _init_ray(arguments: dict[str, Any]) -> Any:
    """The result of `ray.init`, which is tried once more where a start took longer than Ray waits for one."""
    try:
        return ray.init(**arguments)
    except Exception as error:
        if not _took_too_long(error):
            raise
    ray.shutdown()  # ends the late node; the next one has a session of its own
    return ray.init(**arguments)


def _took_too_long(error: Exception) -> bool:
    """Whether Ray gave up after 30 s, which no setting changes and which a loaded machine can exceed.

    A node says that it timed out; the server of `ray://` says only that the initialization failed.
    """
    text = str(error).lower()
    return isinstance(error, TimeoutError) or "timed out" in text or "initialization failure from server" in text


def _refusal(section: Actors, line: str) -> str:
    """Why Ray could not be started or reached, and what to do."""
    if "AF_UNIX" in line:
        variable = next((name for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)), "TMPDIR")
        folder = os.environ.get(variable) or tempfile.gettempdir()
        return (
            f"{variable}: the folder '{folder}' has a path of {len(os.fsencode(folder))} bytes, too long for Ray's "
            f"sockets in it: {line}. Set {variable} to a shorter path, for example {variable}=/tmp."
        )
    where = section.address or "on this machine"
    return (
        f"actors: Ray cannot be started or reached {where}: {line}. Run `fedsilo doctor`, or use actors.backend=serial."
    )


def set_defaults() -> None:
    """Sets environment variables for Ray, where they are not set; Ray reads them when it starts or joins."""
    # A read-only Ray worker environment of `uv run` would start pip installs in every worker.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # Ray sends usage statistics unless this is 0: nothing leaves the researcher's machine because of fedsilo.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@contextlib.contextmanager
def _keep_sigterm_handler() -> Iterator[None]:
    """Restores the program's handler of SIGTERM, which Ray replaces by its own when it starts."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if callable(before) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def total_resources() -> dict[str, float]:
    """Reads the resources of the connected cluster.

    Returns:
        Amounts by resource name.
    """
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def count_nodes() -> int:
    """Counts the machines that the connected cluster has now."""
    return sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]


def free_resources() -> dict[str, float]:
    """Reads the free resources of the connected cluster.

    Returns:
        Amounts by resource name.
    """
    return dict(ray.available_resources())  # type: ignore[no-untyped-call]


def _arguments(section: Actors, code: Sequence[ModuleType]) -> dict[str, Any]:
    common: dict[str, Any] = {
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "ignore_reinit_error": True,
    }
    if section.address:
        return {**common, "address": section.address, "runtime_env": ship_code(code)}
    if section.pretend_gpus:
        common["num_gpus"] = section.pretend_gpus
    if section.object_store_mb:
        common["object_store_memory"] = section.object_store_mb << 20
    if code:
        common["runtime_env"] = {"env_vars": {"PYTHONPATH": _search_path(code)}}
    # Without "local" Ray joins the cluster that was last started on this machine with `ray start`, by any user.
    return {**common, "address": "local", "include_dashboard": section.dashboard}


def ship_code(more: Sequence[ModuleType] = ()) -> dict[str, Any]:
    """Makes the part of a runtime environment that ships the packages themselves.

    Another machine may have an older fedsilo, or none. A job of Ray has brought them along already.

    Args:
        more: Modules and packages to ship beside them.

    Returns:
        Keys of a Ray runtime environment; empty inside a job.
    """
    import fedsilo
    import fedsilo_actors

    if "py_modules" in os.environ.get(RAY_JOB, ""):
        return {}
    return {"py_modules": [_place(module) for module in (fedsilo, fedsilo_actors, *more)]}


def _search_path(code: Sequence[ModuleType]) -> str:
    """PYTHONPATH for processes on this machine: this process may have changed its own path."""
    folders = dict.fromkeys(str(Path(_place(module)).absolute().parent) for module in code)
    return os.pathsep.join(filter(None, [*folders, os.environ.get("PYTHONPATH", "")]))


def _place(module: ModuleType) -> str:
    """A package's folder, or a module's file."""
    return str(next(iter(module.__path__)) if hasattr(module, "__path__") else module.__file__)
