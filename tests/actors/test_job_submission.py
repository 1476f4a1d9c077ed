"""The near side of clusters: which is joined, with which code; who answers for jobs, and what became of one."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.job_submission import JobStatus

import fedsilo_actors.job_submission
from fedsilo.config.sections import Actors
from fedsilo.core.errors import ResourceError
from fedsilo_actors.cluster import RAY_JOB, _arguments
from fedsilo_actors.job_submission import JobServer
from fedsilo_actors.ray_token import show_token


class AnyServer(BaseHTTPRequestHandler):
    """Answers everything with the server's one text."""

    def do_GET(self) -> None:
        self.send_response(self.server.code)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(self.server.text)  # type: ignore[attr-defined]

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def any_server() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), AnyServer)
    server.code, server.text = 200, b"hello"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("REACH_S", 600.0), ("ANSWER_S", 600.0), ("POLL_S", 0.0), ("PATIENCE_S", 0.2)):
        monkeypatch.setattr(fedsilo_actors.job_submission, name, seconds)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (b"hello", 200, "is not a job server of Ray"),
        (b"[]", 200, "is not a job server of Ray"),
        (b'{"ray_version": "1.13.0"}', 200, "runs Ray 1.13.0, here is "),
        (b"Unauthorized", 401, "requires the token of its cluster. Put it into RAY_AUTH_TOKEN"),
    ],
)
def test_what_is_no_fit_server_is_one_line(any_server: Any, text: bytes, code: int, says: str) -> None:
    any_server.text, any_server.code = text, code
    address = f"127.0.0.1:{any_server.server_port}"
    with pytest.raises(ResourceError) as caught:
        JobServer(address)
    assert str(caught.value).startswith(f"http://{address}: {says}")
    assert "\n" not in str(caught.value)


def test_no_server_and_a_silent_one_are_one_line_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REACH_S", "ANSWER_S"):
        monkeypatch.setattr(fedsilo_actors.job_submission, name, 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        for listens in (False, True):
            if listens:
                silent.listen()
            address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(ResourceError, match=rf"^{address}: nothing answers there within 0.5 s\. .*tunnel"):
                JobServer(address)


def test_an_address_of_ray_client_is_told_from_a_job_server_s() -> None:
    with pytest.raises(ResourceError, match=r"'ray://head:10001' is for Ray's client .* http://head:8265\.$"):
        JobServer("ray://head:10001")


def test_the_address_that_is_given_counts_and_not_that_of_the_environment(
    any_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_server.text = b'{"ray_version": "%s"}' % ray.__version__.encode()
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    server = JobServer(f"http://127.0.0.1:{any_server.server_port}")
    assert server._client.get_address().endswith(str(any_server.server_port))
    assert os.environ["RAY_ADDRESS"] == "http://127.0.0.1:1"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://127.0.0.1:{any_server.server_port}")
    assert JobServer().address == f"http://127.0.0.1:{any_server.server_port}"


class Told:
    """A client of Ray's that has heard of a job what it is told to have heard, one word after the other."""

    def __init__(self, *heard: Any) -> None:
        self.heard = list(heard)

    def get_job_info(self, job: str) -> Any:
        found = self.heard.pop(0) if len(self.heard) > 1 else self.heard[0]
        if isinstance(found, Exception):
            raise found
        status, code, self.log = found
        return SimpleNamespace(status=status, driver_exit_code=code, message="no such\nenvironment")

    def get_job_logs(self, job: str) -> str:
        return str(self.log)


def followed(*heard: Any) -> tuple[int, str]:
    server, written = JobServer.__new__(JobServer), list[str]()
    server.address, server._client = "http://head:8265", Told(*heard)
    return server.follow("job", written.append), "".join(written)


RUNNING = JobStatus.RUNNING


@pytest.mark.parametrize(
    ("status", "code", "exit"),
    [
        (JobStatus.SUCCEEDED, 0, 0),
        (JobStatus.FAILED, 2, 2),
        (JobStatus.FAILED, 0, 1),
        (JobStatus.STOPPED, None, 143),
    ],
)
def test_a_followed_job_shows_all_it_says_once_and_ends_with_its_exit_code(
    status: JobStatus, code: int | None, exit: int
) -> None:
    gone = RuntimeError("the server restarts")
    assert followed((RUNNING, None, "a"), gone, (RUNNING, None, "ab\n"), (status, code, "ab\nc")) == (exit, "ab\nc")


def test_a_job_that_never_started_says_why() -> None:
    with pytest.raises(ResourceError, match=r"^job job: could not be carried out: no such environment$"):
        followed((JobStatus.FAILED, None, ""))


def test_a_server_that_stays_away_is_given_up() -> None:
    with pytest.raises(ResourceError, match=r"^http://head:8265: Connection refused$"):
        followed((RUNNING, None, "a"), OSError("Connection refused"))


def test_a_token_is_shown_if_there_is_one_and_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    show_token()
    assert "RAY_AUTH_MODE" not in os.environ
    with monkeypatch.context() as once:
        once.setenv("RAY_AUTH_TOKEN", "secret")
        show_token()
        assert os.environ.pop("RAY_AUTH_MODE") == "token"
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").touch()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    show_token()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    monkeypatch.delenv("RAY_AUTH_MODE")
    show_token()
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_an_empty_address_is_a_ray_of_ones_own_and_others_get_the_code_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _arguments(Actors(), ())["address"] == "local"  # whatever `ray start` left on this machine
    assert "runtime_env" not in _arguments(Actors(), ())
    sent = _arguments(Actors(address="auto"), (json,))["runtime_env"]["py_modules"]
    assert [Path(place).name for place in sent] == ["fedsilo", "fedsilo_actors", "json"]
    monkeypatch.setenv(RAY_JOB, '{"runtime_env": {"py_modules": ["gcs://x.zip"]}}')
    assert _arguments(Actors(address="auto"), ())["runtime_env"] == {}
    monkeypatch.setenv(RAY_JOB, '{"runtime_env": {}}')  # a job by other means, which brought nothing along
    assert len(_arguments(Actors(address="auto"), ())["runtime_env"]["py_modules"]) == 2
