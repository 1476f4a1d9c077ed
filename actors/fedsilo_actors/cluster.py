"""Starting a local Ray or joining a cluster, and leaving it as it was found."""

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
"""How the address of a cluster begins of which this machine is no part: Ray's client."""

RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Environment variable of what Ray started as a job: as JSON, what all of the job's processes are given."""


@contextlib.contextmanager
def connect_cluster(section: Actors, code: Sequence[ModuleType] = ()) -> Iterator[str]:
    """Holds a connection to Ray and yields the dashboard's address, "" without one.

    A Ray that is already connected is used and left running; otherwise one is started on this machine, or joined at
    `actors.address`, and let go at the end.

    Args:
        section: The scenario's `actors`.
        code: Modules that actors need beside fedsilo.

    Raises:
        ResourceError: Ray cannot be started or reached.
    """
    if ray.is_initialized():
        yield ""
        return
    set_defaults()
    try:
        with warnings.catch_warnings(), _own_sigterm():
            warnings.simplefilter("ignore")
            context = _begun(_arguments(section, code))
    except Exception as error:
        raise ResourceError(_refusal(section, first_line(error))) from error
    try:
        yield str(getattr(context, "dashboard_url", "") or "")
    finally:
        ray.shutdown()


def _begun(arguments: dict[str, Any]) -> Any:
    """What `ray.init` returns; called again, once, where a start took longer than Ray waits for one."""
    try:
        return ray.init(**arguments)
    except Exception as error:
        if not _took_too_long(error):
            raise
    ray.shutdown()  # of the node that was late; the next one has a session of its own
    return ray.init(**arguments)


def _took_too_long(error: Exception) -> bool:
    """Whether Ray gave a node up: after 30 s, for which it has no setting and which a loaded machine can exceed."""
    return isinstance(error, TimeoutError) or "timed out" in str(error).lower()


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
    """Sets what Ray is to do where the environment does not say; Ray reads it when it starts or joins."""
    # A read-only Ray worker environment of `uv run` would start pip installs in every worker.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # Ray sends usage statistics unless told not to: nothing leaves the researcher's machine by our doing.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Gives the program its answer to SIGTERM back, which Ray replaces by its own when it starts."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if callable(before) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def total_resources() -> dict[str, float]:
    """Returns what the connected cluster has to give, by resource name."""
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def count_nodes() -> int:
    """Returns how many machines the connected cluster has now."""
    return sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]


def free_resources() -> dict[str, float]:
    """Returns what is free in the connected cluster now."""
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
    # Without "local" Ray joins whatever was last started on this machine with `ray start`, somebody else's too.
    return {**common, "address": "local", "include_dashboard": section.dashboard}


def ship_code(more: Sequence[ModuleType] = ()) -> dict[str, Any]:
    """Returns the part of a runtime environment that has the packages themselves.

    Another machine may have an older fedsilo, or none. A job of Ray's has brought them along already.

    Args:
        more: Modules and packages beside them.
    """
    import fedsilo
    import fedsilo_actors

    if "py_modules" in os.environ.get(RAY_JOB, ""):
        return {}
    return {"py_modules": [_place(module) for module in (fedsilo, fedsilo_actors, *more)]}


def _search_path(code: Sequence[ModuleType]) -> str:
    """Where processes on this machine find the code: this one may have it on a path that it has changed itself."""
    folders = dict.fromkeys(str(Path(_place(module)).absolute().parent) for module in code)
    return os.pathsep.join(filter(None, [*folders, os.environ.get("PYTHONPATH", "")]))


def _place(module: ModuleType) -> str:
    """A package's folder, or the file of a module that is none."""
    return str(next(iter(module.__path__)) if hasattr(module, "__path__") else module.__file__)
