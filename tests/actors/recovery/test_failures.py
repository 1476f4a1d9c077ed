"""Ray's errors in our words. No Ray is started."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ray import exceptions
from ray.exceptions import RayError, RayTaskError

from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import ClientLost, ClusterError, FedsiloError, ResourceError
from fedsilo.runs.run import Runtime, begin, go
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.recovery.failures import explain, translate_ray_errors

RAISED: dict[str, RayError] = {
    "the object store is full": exceptions.ObjectStoreFullError("no room\nmuch more"),
    "the disk that Ray moves objects to is full": exceptions.OutOfDiskError("no room"),
    "a process was ended because its machine ran low on memory": exceptions.OutOfMemoryError(
        "Task was killed\nmuch more"
    ),
    "an object was lost": exceptions.ObjectLostError("ab", None, ""),
    "an object was lost with": exceptions.OwnerDiedError("ab", None, ""),
    "a machine of the cluster is gone": exceptions.NodeDiedError("gone"),
    "a machine of the cluster": exceptions.LocalRayletDiedError(),
    "nothing that is left of the cluster can hold": exceptions.ActorUnschedulableError("no node"),
    "nothing that is left of the cluster": exceptions.TaskUnschedulableError("no node"),
    "nothing that is left": exceptions.ActorPlacementGroupRemoved(),
    "a process died": exceptions.ActorDiedError(),
    "a process died (": exceptions.WorkerCrashedError(),
    "Ray failed: RaySystemError": exceptions.RaySystemError("socket closed"),
    "Ray failed: GetTimeoutError": exceptions.GetTimeoutError("late"),
}


@pytest.mark.parametrize("said", RAISED)
def test_every_error_of_ray_is_one_line_that_says_what_to_do(said: str) -> None:
    with pytest.raises(ClusterError) as caught, translate_ray_errors("coordinator"):
        raise RAISED[said]
    assert str(caught.value).startswith(f"coordinator: {said}")
    assert str(caught.value).endswith("hen resume the run.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cause", "kind", "said"),
    [
        (ClientLost("client 3: gone."), ClientLost, "client 3: gone."),
        (MemoryError(), ClusterError, "encoder: ran out of memory"),
        (ValueError("one\ntwo"), ClusterError, "encoder: ValueError: one."),
        (RAISED["the object store is full"], ClusterError, "encoder: the object store is full"),
    ],
)
def test_what_a_worker_raised_is_what_is_told(cause: Exception, kind: type[Exception], said: str) -> None:
    found = explain(RayTaskError("encode", "trace", cause), "encoder")
    assert type(found) is kind
    assert str(found).startswith(said)


@pytest.mark.parametrize("error", RAISED.values(), ids=lambda error: type(error).__name__)
def test_whatever_ray_says_of_a_client_s_answer_the_client_is_lost_and_the_round_can_be_made_again(
    error: RayError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(calls: object, timeout: float) -> object:
        raise error

    monkeypatch.setattr("ray.get", get)
    monkeypatch.setattr("ray.wait", lambda calls, num_returns, timeout: ([], calls))
    monkeypatch.setattr("ray.kill", lambda actor, no_restart: None)
    backend = RayBackend([None], [Host((3,), Resources(0, 0), 1)], None, 1.0, 1.0)  # type: ignore[list-item, arg-type]
    with pytest.raises(ClientLost) as caught:
        backend._answers({0: "call"}, "train")
    assert caught.value.client == 3
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cause", [MemoryError("no"), RAISED["the object store is full"]], ids=["memory", "store"])
def test_a_client_that_had_no_room_may_try_again_and_one_that_is_wrong_may_not(cause: Exception) -> None:
    backend = RayBackend([None], [Host((3,), Resources(0, 0), 1)], None, 1.0, 1.0)  # type: ignore[list-item, arg-type]
    assert isinstance(backend._replies.explain_fault(0, "train", RayTaskError("train", "trace", cause)), ClientLost)
    wrong = backend._replies.explain_fault(0, "train", RayTaskError("train", "trace", ValueError("x")))
    assert not isinstance(wrong, ClientLost)


@pytest.mark.parametrize(("error", "left"), [(ClusterError("gone"), True), (ResourceError("too few"), False)])
def test_a_run_that_failed_before_anything_was_finished_is_there_to_be_resumed(
    tmp_path: Path, error: FedsiloError, left: bool
) -> None:
    """Not so one that cannot be run at all."""
    (tmp_path / "s.yaml").write_text("data: emblems\nmethod: promptfl\n")
    folder = begin(read(tmp_path / "s.yaml", [f"tracking.root={tmp_path}"]))

    @contextmanager
    def failing(scenario: Scenario) -> Iterator[Runtime]:
        raise error
        yield

    with pytest.raises(type(error)):
        go(folder, runtimes=failing)
    assert folder.exists() is left
