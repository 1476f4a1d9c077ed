"""What is done and said when Ray cannot be started; Ray itself is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import ray

from fedsilo.config.sections import Actors
from fedsilo.core.errors import ResourceError
from fedsilo_actors.cluster import connect_cluster


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_path_that_is_too_long_for_sockets_names_the_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are those of Ray 2.60 for a temporary folder of a hundred bytes and more."""
    long = "/tmp/" + "x" * 100

    def refuse(**arguments: object) -> None:
        raise OSError(f"AF_UNIX path length cannot exceed 107 bytes: '{long}/ray/session/sockets/plasma_store'")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(variable, long)
    with (
        pytest.raises(ResourceError, match=rf"^{variable}: .*105 bytes, too long .* {variable}=/tmp\."),
        connect_cluster(Actors()),
    ):
        raise AssertionError("never reached")


def test_other_reasons_name_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**arguments: object) -> None:
        raise RuntimeError("no port is left")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ResourceError, match=r"no port is left.*fedsilo doctor"), connect_cluster(Actors()):
        raise AssertionError("never reached")


LATE = [
    # The words of Ray 2.60.
    Exception(
        "The current node timed out during startup. This could happen because some of the raylet failed to start"
    ),
    TimeoutError("Timed out after 30 seconds while waiting for node to startup."),
    RuntimeError("Timed out waiting for node info for node_id=5f."),
    ConnectionAbortedError("Initialization failure from server:\nTraceback (most recent call last):"),
]


class Starts:
    """Ray's `init`, which fails as it is listed and then starts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *failures: Exception) -> None:
        self.failures, self.calls = list(failures), list[str]()
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "init", self.init)
        monkeypatch.setattr(ray, "shutdown", lambda: self.calls.append("shutdown"))

    def init(self, **arguments: object) -> SimpleNamespace:
        self.calls.append(f"init {arguments['address']}")
        if self.failures:
            raise self.failures.pop(0)
        return SimpleNamespace(dashboard_url="here")


@pytest.mark.parametrize("late", LATE, ids=lambda error: type(error).__name__)
def test_a_start_that_took_too_long_is_tried_once_more(monkeypatch: pytest.MonkeyPatch, late: Exception) -> None:
    starts = Starts(monkeypatch, late)
    with connect_cluster(Actors()) as dashboard:
        assert dashboard == "here"
        assert starts.calls == ["init local", "shutdown", "init local"]
    assert starts.calls[3:] == ["shutdown"]


def test_a_start_is_tried_twice_at_most_and_for_no_other_reason_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = Starts(monkeypatch, *LATE[:2])
    with pytest.raises(ResourceError, match=r"Timed out after 30 seconds.*fedsilo doctor"), connect_cluster(Actors()):
        raise AssertionError("never reached")
    assert twice.calls.count("init local") == 2
    once = Starts(monkeypatch, RuntimeError("no port is left"))
    with pytest.raises(ResourceError, match="no port is left"), connect_cluster(Actors()):
        raise AssertionError("never reached")
    assert once.calls == ["init local"]
