"""Runs as jobs of a Ray cluster: sent to its job server, carried out there, followed from here as long as one likes."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from fedsilo.core.errors import ResourceError
from fedsilo.runs.job_bundle import JobBundle
from fedsilo_actors.cluster import ship_code

USUAL_ADDRESS = "http://127.0.0.1:8265"
"""Where the job server is on a cluster's head, or the near end of a tunnel to it."""

REACH_S, ANSWER_S = 10.0, 60.0
POLL_S, PATIENCE_S = 1.0, 120.0
STOPPED, FAILED = 143, 1
"""Exit codes of a run that was stopped, and of one that ended without an exit code of its own."""

_OVERRULING = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")


class JobServer:
    """The job server of a cluster, on the port of its dashboard."""

    def __init__(self, address: str = "") -> None:
        """Looks for the server at `http://host:port`; "" is what RAY_API_SERVER_ADDRESS says, or this machine's.

        Raises:
            ResourceError: There is none.
        """
        self.address = _url(address or os.environ.get("RAY_API_SERVER_ADDRESS", "") or USUAL_ADDRESS)
        _look(self.address)
        with _here(self.address), _not_overruled():
            self._client: Any = _Client(self.address)
        for module in ("dashboard.modules.dashboard_sdk", "_private.runtime_env.packaging"):
            logging.getLogger(f"ray.{module}").setLevel(logging.ERROR)  # they tell of every package that is sent

    def submit(self, shipment: JobBundle) -> None:
        """Sends code and files and starts the job, whose name is the shipment's. Raises ResourceError."""
        with tempfile.TemporaryDirectory() as folder, _here(self.address):
            for name, content in shipment.files.items():
                (Path(folder) / name).write_bytes(content)
            environment = {**ship_code(shipment.code), **({"working_dir": folder} if shipment.files else {})}
            self._client.submit_job(entrypoint=shipment.command, submission_id=shipment.name, runtime_env=environment)

    def follow(self, job: str, write: Callable[[str], None]) -> int:
        """Returns a job's exit code when it has ended; meanwhile its output is written as it comes.

        Args:
            job: Its name.
            write: Given pieces of its output.

        Raises:
            ResourceError: The server is gone for longer than `PATIENCE_S`, or the job could not be started.
        """
        shown, heard = 0, time.monotonic()
        while True:
            try:
                with _here(self.address):
                    details = self._client.get_job_info(job)  # first: what is written before it ends is in the log then
                    log = str(self._client.get_job_logs(job))
            except ResourceError:
                if time.monotonic() - heard > PATIENCE_S:
                    raise
            else:
                heard = time.monotonic()
                write(log[shown:])
                shown = max(shown, len(log))
                if details.status.is_terminal():
                    return _exit_code(job, details)
            time.sleep(POLL_S)


class _Client(JobSubmissionClient):
    """Ray's client, which would wait for ever for a server that is silent."""

    def _do_request(self, method: str, endpoint: str, **given: Any) -> Any:
        return super()._do_request(method, endpoint, **{"timeout": ANSWER_S, **given})


def _exit_code(job: str, details: Any) -> int:
    if details.status == JobStatus.SUCCEEDED:
        return 0
    if details.status == JobStatus.STOPPED:
        return STOPPED
    if details.driver_exit_code is None:
        what = " ".join(str(details.message or "no reason given").split())[:500]
        raise ResourceError(f"job {job}: could not be carried out: {what}")
    return int(details.driver_exit_code) or FAILED


def _url(address: str) -> str:
    if address.startswith("ray://"):
        raise ResourceError(
            f"--address: '{address}' is for Ray's client (actors.address). Jobs go to the port of the dashboard, "
            f"for example http://{address.removeprefix('ray://').partition(':')[0]}:8265."
        )
    return (address if "://" in address else f"http://{address}").rstrip("/")


def _look(address: str) -> None:
    """Makes sure that a job server answers there."""
    advice = "Give --address http://HEAD:8265, or open a tunnel: `ray dashboard CLUSTER.yaml`, `kubectl port-forward`."
    try:
        answer = requests.get(f"{address}/api/version", timeout=REACH_S)
        if answer.status_code in (401, 403):  # a token is wanted, which Ray's client knows where to find
            return
        version = answer.json()["ray_version"]
    except (requests.ConnectionError, requests.Timeout):
        raise ResourceError(f"{address}: nothing answers there within {REACH_S:g} s. {advice}") from None
    except (requests.RequestException, ValueError, KeyError, TypeError):
        raise ResourceError(f"{address}: is no job server of Ray. {advice}") from None
    if version.split(".")[:1] != ray.__version__.split(".")[:1]:
        raise ResourceError(f"{address}: runs Ray {version}, here is {ray.__version__}. Use the same major version.")


@contextlib.contextmanager
def _here(address: str) -> Iterator[None]:
    """Says in one line what went wrong with the server."""
    try:
        yield
    except AuthenticationError:
        raise ResourceError(
            f"{address}: wants the token of its cluster. Put it into RAY_AUTH_TOKEN, or its file's name into "
            "RAY_AUTH_TOKEN_PATH; on the head `ray get-auth-token` prints it."
        ) from None
    except (RuntimeError, OSError, ValueError) as error:  # requests' own errors are OSErrors
        text = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip(" .")), repr(error))
        raise ResourceError(f"{address}: {text[:500]}") from error


@contextlib.contextmanager
def _not_overruled() -> Iterator[None]:
    """Keeps away the environment variables that Ray's client puts before the address that it is given."""
    kept = {name: os.environ.pop(name) for name in _OVERRULING if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
