"""What is said of an actor whose memory ran out; no Ray is started."""

from typing import Any

import pytest
from ray.exceptions import OutOfMemoryError

from fedsilo.core.errors import ClientLost, ClientOutOfMemory, ResourceError
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.ray_backend import RayBackend


def hosting_one(gpus: float, memory: int = 0) -> RayBackend:
    """Client 7 in an actor that is not called."""
    moving: Any = object()
    supplies: Any = None
    return RayBackend([], [Host((7,), Resources(gpus, 0, memory), 1)], supplies, 1, 1, moving)


def test_a_whole_gpu_that_is_too_little_is_no_reason_to_try_again() -> None:
    text = "client 07, stage 'train': 1 GPU was too little (CUDA out of memory)"
    told = hosting_one(1.0)._replies._short_of("GPU", 0, text)
    assert type(told) is ResourceError
    assert str(told) == (
        "client 07, stage 'train': 1 GPU was too little (CUDA out of memory), and it cannot be given more. Take "
        "smaller batches (training.batch_size, evaluation.batch_size) or a GPU with more memory (actors.labels)."
    )


@pytest.mark.parametrize(
    ("memory", "kind", "line"),
    [
        (64, ClientOutOfMemory, "the memory of its machine ran out with 64 MiB reserved; it is given 128 MiB."),
        (0, ClientLost, "the memory of its machine ran out (Task was killed)."),
    ],
)
def test_a_process_that_ray_ended_for_want_of_memory_is_given_more_where_it_had_reserved_some(
    memory: int, kind: type[ClientLost], line: str
) -> None:
    told = hosting_one(0, memory << 20)._replies._killed(0, "train", OutOfMemoryError("Task was killed.\nmore"))
    assert type(told) is kind
    assert str(told).endswith(line)
