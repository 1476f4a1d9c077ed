"""Runs as jobs of a Ray cluster: submitted to its job server, run there, followed from here."""

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
"""Address of the job server on a cluster's head, or of the near end of a tunnel to it."""

REACH_S, ANSWER_S = 10.0, 60.0
POLL_S, PATIENCE_S = 1.0, 120.0
STOPPED, FAILED = 143, 1
"""Exit codes of a run that was stopped, and of one that ended without an exit code of its own."""

_OVERRULING = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")


class JobServer:
    """The job server of a cluster, on the port of its dashboard."""

    def __init__(self, address: str = "") -> None:
        """Looks for the server.

        Args:
            address: `http://host:port`; "" for RAY_API_SERVER_ADDRESS, or this machine's server.

        Raises:
            ResourceError: There is no server.
        """
        self.address = _url(address or os.environ.get("RAY_API_SERVER_ADDRESS", "") or USUAL_ADDRESS)
        _check_server(self.address)
        with _explain_server_errors(self.address), _without_overrides():
            self._client: Any = _Client(self.address)
        for module in ("dashboard.modules.dashboard_sdk", "_private.runtime_env.packaging"):
            logging.getLogger(f"ray.{module}").setLevel(logging.ERROR)  # they log every package that is sent

    def submit(self, shipment: JobBundle) -> None:
        """Sends code and files and starts the job.

        Args:
            shipment: Command, files and modules; its name becomes the job's.

        Raises:
            ResourceError: The server refuses, or does not answer.
        """
        with tempfile.TemporaryDirectory() as folder, _explain_server_errors(self.address):
            for name, content in shipment.files.items():
                (Path(folder) / name).write_bytes(content)
            environment = {**ship_code(shipment.code), **({"working_dir": folder} if shipment.files else {})}
            self._client.submit_job(entrypoint=shipment.command, submission_id=shipment.name, runtime_env=environment)

    def follow(self, job: str, write: Callable[[str], None]) -> int:
        """Follows a job until it ends.

        Args:
            job: Its name.
            write: Called with pieces of its output as they come.

        Returns:
            The job's exit code.

        Raises:
            ResourceError: The server is gone for longer than `PATIENCE_S`, or the job could not be started.
        """
        shown, heard = 0, time.monotonic()
        while True:
            try:
                with _explain_server_errors(self.address):
                    details = self._client.get_job_info(
                        job
                    )  # before the log, which is then complete where it has ended
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
    """Ray's client with a time limit: it would wait for ever for a silent server."""

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


def _check_server(address: str) -> None:
    """Makes sure that a job server answers there."""
    advice = "Give --address http://HEAD:8265, or open a tunnel: `ray dashboard CLUSTER.yaml`, `kubectl port-forward`."
    try:
        answer = requests.get(f"{address}/api/version", timeout=REACH_S)
        if answer.status_code in (401, 403):  # the server requires a token, which Ray's client can find
            return
        version = answer.json()["ray_version"]
    except (requests.ConnectionError, requests.Timeout):
        raise ResourceError(f"{address}: nothing answers there within {REACH_S:g} s. {advice}") from None
    except (requests.RequestException, ValueError, KeyError, TypeError):
        raise ResourceError(f"{address}: is not a job server of Ray. {advice}") from None
    if version.split(".")[:1] != ray.__version__.split(".")[:1]:
        raise ResourceError(f"{address}: runs Ray {version}, here is {ray.__version__}. Use the same major version.")


@contextlib.contextmanager
def _explain_server_errors(address: str) -> Iterator[None]:
    """Turns an error of the server's client into one line."""
    try:
        yield
    except AuthenticationError:
        raise ResourceError(
            f"{address}: requires the token of its cluster. Put it into RAY_AUTH_TOKEN, or its file's name into "
            "RAY_AUTH_TOKEN_PATH; on the head `ray get-auth-token` prints it."
        ) from None
    except (RuntimeError, OSError, ValueError) as error:  # requests' own errors are OSErrors
        text = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip(" .")), repr(error))
        raise ResourceError(f"{address}: {text[:500]}") from error


@contextlib.contextmanager
def _without_overrides() -> Iterator[None]:
    """Hides the environment variables that Ray's client would use instead of the given address."""
    kept = {name: os.environ.pop(name) for name in _OVERRULING if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
