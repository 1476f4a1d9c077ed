"""Looks at a run ask the newest coordinator; while one is replaced, the run does not count as ended."""

from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.exceptions import GetTimeoutError, RayActorError

from fedsilo.core.errors import ResourceError, RunError
from fedsilo_actors.cluster import NAMESPACE
from fedsilo_actors.monitoring import run_observer as observing
from fedsilo_actors.recovery.coordinator_restart import coordinator_name

GONE, DIED, SILENT, HERE = "no coordinator", "died", "silent", "an overview"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns looks(*found): the next looks for a coordinator find these; how many were taken is in `.taken`."""
    state = SimpleNamespace(found=[], taken=0)

    def newest(run: str) -> Any:
        state.taken += 1
        if state.found[0] == GONE:
            state.found.pop(0)
            raise RunError("none")
        return SimpleNamespace(overview=SimpleNamespace(remote=lambda: state.found.pop(0)))

    def get(answer: str, timeout: float) -> str:
        assert timeout > 0
        if answer == DIED:
            raise RayActorError
        if answer == SILENT:
            raise GetTimeoutError
        return answer

    monkeypatch.setattr(observing, "_newest", newest)
    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(observing.time, "sleep", lambda seconds: None)

    def looking(*found: str) -> Any:
        state.found = list(found)
        return state

    return looking


@pytest.mark.parametrize(
    "found", [(HERE,), (DIED, HERE), (GONE, GONE, HERE), (DIED, GONE, HERE)], ids=lambda found: ", ".join(found)
)
def test_a_coordinator_that_is_being_replaced_is_waited_for(looks: Any, found: tuple[str, ...]) -> None:
    state = looks(*found)
    assert observing._ask("r") == HERE
    assert state.taken == len(found)


def test_a_run_without_a_coordinator_has_ended_after_a_few_looks(looks: Any) -> None:
    state = looks(*[GONE] * 10)
    assert observing._ask("r") is None
    assert state.taken == observing.PATIENCE


def test_a_silent_coordinator_is_one_line(looks: Any) -> None:
    looks(SILENT)
    with pytest.raises(ResourceError, match="r: its coordinator did not answer within 20 s"):
        observing._ask("r")


def test_the_coordinator_that_was_started_last_is_the_run_s(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [coordinator_name("a", attempt) for attempt in (0, 2, 10, 1)] + [coordinator_name("a b"), "a client 03"]
    monkeypatch.setattr(ray.util, "list_named_actors", lambda all_namespaces: [{"name": name} for name in names])
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(ray, "get_actor", lambda name, namespace: asked.append((name, namespace)))
    observing._newest("a")
    assert asked == [("a coordinator 11", NAMESPACE)]
    with pytest.raises(RunError, match=r"c: no run of that name .* Running there: a, a b"):
        observing._newest("c")
