"""Who computes on a GPU. There is none here: what torch and Ray find is pretended."""

from typing import Any

import pytest

from fedsilo.config.sections import Actors
from fedsilo.core import Devices
from fedsilo.core.errors import ResourceError
from fedsilo_actors.devices import choose_devices, pick_device, resolve_device


@pytest.mark.parametrize(
    ("asked", "gpus", "cuda", "device"),
    [
        ("auto", 0.0, True, "cpu"),
        ("auto", 0.25, True, "cuda"),
        ("auto", 0.25, False, "cpu"),
        ("cuda", 0.0, True, "cpu"),
        ("cuda", 1.0, True, "cuda"),
        ("cpu", 1.0, True, "cpu"),
        ("mps", 0.0, False, "mps"),
    ],
)
def test_a_client_computes_on_a_gpu_only_if_it_was_given_one(
    machine: Any, asked: str, gpus: float, cuda: bool, device: str
) -> None:
    machine(gpus=1, cuda=cuda)
    assert pick_device(resolve_device(Actors(), asked), gpus) == device


def test_a_gpu_that_was_asked_for_by_name_and_is_not_there_is_one_line(machine: Any) -> None:
    machine(gpus=1, cuda=False)
    with pytest.raises(ResourceError, match=r"^backbone.device: is 'cuda', but torch finds no GPU .* Install .*\.$"):
        pick_device("cuda", 0.5)


def test_no_actor_computes_on_pretended_gpus_even_where_there_is_a_real_one(machine: Any) -> None:
    machine(gpus=2, cuda=True)
    section = Actors(pretend_gpus=2, gpus_per_client=0.5)
    assert pick_device(resolve_device(section, "auto"), 0.5) == "cpu"
    assert choose_devices(section, "auto") == Devices("cpu", "cpu")


@pytest.mark.parametrize(
    ("asked", "gpus", "cuda", "address", "images"),
    [
        ("auto", 1, True, "", "cuda"),
        ("auto", 1, False, "", "cpu"),
        ("auto", 0, True, "", "cpu"),
        ("auto", 4, False, "head:6379", "cuda"),  # the driver's machine need not have one
        ("cuda", 4, False, "head:6379", "cuda"),
        ("cpu", 4, True, "", "cpu"),
    ],
)
def test_the_driver_computes_on_the_cpu_and_encoders_where_the_cluster_has_gpus(
    machine: Any, asked: str, gpus: int, cuda: bool, address: str, images: str
) -> None:
    machine(gpus=gpus, cuda=cuda)
    assert choose_devices(Actors(address=address), asked) == Devices("cpu", images)


def test_a_gpu_asked_of_a_cluster_without_is_one_line(machine: Any) -> None:
    machine(gpus=0, cuda=True)
    with pytest.raises(ResourceError, match=r"^backbone.device: is 'cuda', but the cluster has no GPU\. Use auto"):
        choose_devices(Actors(), "cuda")
