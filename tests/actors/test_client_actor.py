"""What the actor around clients says when it cannot go on; called as a plain object, without Ray."""

import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from fedsilo.core import ClientTask
from fedsilo.core.errors import ClientError, ClientOutOfMemory, ResourceError
from fedsilo.core.training_settings import Training
from fedsilo.simulation.client import ClientRules
from fedsilo.simulation.serial import SerialBackend
from fedsilo.tasks.classification import Classification
from fedsilo_actors.client_actor import ClientActor, WorkerContext, WorkerInit
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.resources import Resources


@pytest.fixture
def actor(own_log: None) -> Any:
    return ClientActor(WorkerContext(Host((3, 5), Resources(0.25, 0), 1), "photo", threads=1))


def test_a_machine_without_the_run_s_folder_is_one_line(actor: Any, tmp_path: Path) -> None:
    nothing: Any = None
    folder = tmp_path / "runs" / "quick"
    with pytest.raises(ResourceError) as caught:
        actor.supply(
            WorkerInit(nothing, nothing, nothing, ClientRules(0, Training(), 10, Classification()), str(folder))
        )
    assert str(caught.value) == (
        f"tracking.root: on {platform.node()}, where clients 03, 05 photo would compute, there is no {folder}. Clients "
        "keep their private states there: name a folder that all machines share."
    )


class Failing:
    """A client whose training ends as it is told."""

    number = 3

    def __init__(self, error: Exception) -> None:
        self._error = error

    def train(self, task: ClientTask) -> None:
        raise self._error


def test_a_full_gpu_is_told_from_all_other_faults(actor: Any) -> None:
    full = torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB."
    )
    actor._clients = SerialBackend([Failing(full)])  # type: ignore[list-item]
    with pytest.raises(ClientOutOfMemory) as caught:
        actor.train({3: ClientTask(0, 0, {})})
    assert str(caught.value) == "clients 03, 05, stage 'train': 0.25 GPU was too little (CUDA out of memory)"
    assert caught.value.client == 3

    actor._clients = SerialBackend([Failing(RuntimeError("CUDA error: an illegal memory access"))])  # type: ignore[list-item]
    with pytest.raises(ClientError, match=r"client 3, stage 'train': RuntimeError: CUDA error") as other:
        actor.train({3: ClientTask(0, 0, {})})
    assert type(other.value) is ClientError
