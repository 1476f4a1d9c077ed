"""Contradictions of the section `actors` with device, backend and number of clients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedsilo.config import resource_checks as checks
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.config.sections import Actors, ClientResources, GroupResources, Scenario

GPU = {3: ClientResources(gpus=0.5)}


@pytest.fixture(scope="module")
def usual() -> Scenario:
    return from_mapping({"partition": {"clients": 4}})


def lines(check: Any, usual: Scenario, device: str = "auto", **keys: Any) -> list[str]:
    return list(check(replace(usual, actors=Actors(**keys), backbone=replace(usual.backbone, device=device))))


def keys_of(found: list[str]) -> list[str]:
    return [line.partition(": ")[0] for line in found]


def test_keys_that_ask_for_a_gpu_are_listed_with_that_of_all_clients_first() -> None:
    asked = Actors(clients={**GPU, 1: ClientResources(cpus=2)}, gpus_per_client=0.25, domains={"photo": GPU[3]})
    assert checks.list_gpu_keys(asked) == [
        "actors.gpus_per_client",
        "actors.clients.3.gpus",
        "actors.domains.photo.gpus",
    ]
    assert checks.list_gpu_keys(Actors()) == []


def test_a_gpu_is_no_use_on_the_cpu_unless_it_is_pretended(usual: Scenario) -> None:
    check = checks.check_gpus_with_cpu_device
    assert keys_of(lines(check, usual, "cpu", clients=GPU)) == ["actors.clients.3.gpus"]
    assert lines(check, usual, "cpu", clients=GPU, pretend_gpus=1) == lines(check, usual, clients=GPU) == []


def test_pretended_gpus_compute_nothing(usual: Scenario) -> None:
    check = checks.check_pretended_gpus
    assert keys_of(lines(check, usual, "cuda:1", pretend_gpus=2)) == ["actors.pretend_gpus"]
    assert lines(check, usual, "auto", pretend_gpus=2) == lines(check, usual, "cuda") == []


@pytest.mark.parametrize(
    ("device", "keys", "words"),
    [
        ("cuda", {}, "actors.gpus_per_client is 0"),
        ("cuda:1", {"gpus_per_client": 1.0}, "Ray chooses which GPU an actor gets. Set it to 'cuda'"),
        ("cuda", {"gpus_per_client": 1.0}, ""),
        ("cuda", {"backend": "serial"}, ""),
        ("auto", {}, ""),
    ],
)
def test_the_device_cuda_needs_a_share_that_ray_gives(device: str, keys: Any, words: str, usual: Scenario) -> None:
    found = lines(checks.check_cuda_without_gpus, usual, device, **keys)
    assert len(found) == bool(words)
    assert all(words in line and line.startswith("backbone.device: ") for line in found)


def test_settings_of_actors_are_for_ray(usual: Scenario) -> None:
    check = checks.check_serial_backend
    found = lines(check, usual, backend="serial", clients=GPU, address="auto", clients_per_actor=2)
    assert keys_of(found) == ["actors.clients.3.gpus", "actors.address", "actors.clients_per_actor"]
    assert lines(check, usual, clients=GPU) == lines(check, usual, backend="serial") == []


def test_a_running_cluster_takes_no_settings_of_a_local_one(usual: Scenario) -> None:
    check = checks.check_cluster_address
    assert keys_of(lines(check, usual, address="auto", dashboard=True, object_store_mb=100)) == [
        "actors.object_store_mb",
        "actors.dashboard",
    ]
    assert lines(check, usual, dashboard=True) == lines(check, usual, address="auto") == []


def test_resources_are_for_clients_that_exist(usual: Scenario) -> None:
    check = checks.check_client_numbers
    groups = {"large": GroupResources(clients=[0, 4])}
    found = lines(check, usual, clients={3: GPU[3], 9: GPU[3]}, groups=groups)
    assert keys_of(found) == ["actors.clients.9", "actors.groups.large.clients"]
    assert all("makes 0 to 3" in line for line in found)
    assert lines(check, usual, clients=GPU) == []
