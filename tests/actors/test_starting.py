"""What is said when Ray cannot be started; Ray itself is not."""

from __future__ import annotations

import pytest
import ray

from fedsilo.errors import ResourceError
from fedsilo.scenario.sections import Actors
from fedsilo_actors.cluster import cluster


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
        cluster(Actors()),
    ):
        raise AssertionError("never reached")


def test_other_reasons_name_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**arguments: object) -> None:
        raise RuntimeError("no port is left")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ResourceError, match=r"no port is left.*fedsilo doctor"), cluster(Actors()):
        raise AssertionError("never reached")
