"""Checks the section `actors` against device, backend and number of clients."""

from __future__ import annotations

from collections.abc import Iterator

from fedsilo.config.partition_checks import count_clients
from fedsilo.config.sections import Actors, Scenario


def check_gpus_with_cpu_device(scenario: Scenario) -> Iterator[str]:
    """Refuses GPUs for clients where the backbone's device is the CPU; pretended GPUs compute nothing anyway.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    if scenario.backbone.device == "cpu" and list_gpu_keys(scenario.actors) and not scenario.actors.pretend_gpus:
        key = list_gpu_keys(scenario.actors)[0]
        yield f"{key}: asks for a GPU, but backbone.device is 'cpu'. Set it to 'auto', or ask for no GPU."


def check_pretended_gpus(scenario: Scenario) -> Iterator[str]:
    """Refuses pretended GPUs where the backbone's device is a GPU.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    if scenario.actors.pretend_gpus and scenario.backbone.device.startswith("cuda"):
        yield (
            f"actors.pretend_gpus: {scenario.actors.pretend_gpus} pretended GPUs cannot be computed on, but "
            f"backbone.device is '{scenario.backbone.device}'. Set it to 'cpu', or pretend none."
        )


def check_cuda_without_gpus(scenario: Scenario) -> Iterator[str]:
    """Refuses a device "cuda" where Ray gives clients no GPU.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    actors, device = scenario.actors, scenario.backbone.device
    if actors.backend != "ray" or actors.pretend_gpus or not device.startswith("cuda"):
        return
    if not list_gpu_keys(actors):
        yield (
            f"backbone.device: is '{device}', but actors.gpus_per_client is 0, and Ray clients compute on a GPU only "
            "if they are given one. Give them a share, such as 0.25, or set the device to 'auto'."
        )
    elif device != "cuda":
        yield f"backbone.device: is '{device}', but Ray chooses which GPU an actor gets. Set it to 'cuda'."


def check_serial_backend(scenario: Scenario) -> Iterator[str]:
    """Refuses settings of Ray actors where the backend is serial.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    actors = scenario.actors
    if actors.backend != "serial":
        return
    others = ("pretend_gpus", "address", "clients_per_actor")
    asked = [*list_gpu_keys(actors), *(f"actors.{key}" for key in others if getattr(actors, key))]
    for key in asked:
        yield f"{key}: is for Ray actors, but actors.backend is 'serial'. Leave it out, or set the backend to 'ray'."


def check_cluster_address(scenario: Scenario) -> Iterator[str]:
    """Refuses settings of a local Ray where the scenario names a running cluster.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    actors = scenario.actors
    for key in ("pretend_gpus", "object_store_mb", "dashboard"):
        if actors.address and getattr(actors, key):
            yield (
                f"actors.{key}: is for a Ray that is started here, but actors.address is '{actors.address}'. "
                "Leave out one of the two."
            )


def check_client_numbers(scenario: Scenario) -> Iterator[str]:
    """Refuses resources for clients that do not exist.

    Args:
        scenario: The scenario.

    Yields:
        Lines "key: what contradicts what. What to do."
    """
    clients = count_clients(scenario)
    actors = scenario.actors
    named = [(f"clients.{number}", number) for number in actors.clients]
    named += [(f"groups.{name}.clients", number) for name, group in actors.groups.items() for number in group.clients]
    for key, number in named:
        if clients is not None and number >= clients:
            yield f"actors.{key}: there is no client {number}, the partition makes 0 to {clients - 1}."


def list_gpu_keys(actors: Actors) -> list[str]:
    """Lists the keys that ask for a GPU.

    Args:
        actors: The section.

    Returns:
        Dotted keys, that of all clients first.
    """
    single = [f"actors.{key}.gpus" for key, resources in actors.overrides().items() if resources.gpus]
    return (["actors.gpus_per_client"] if actors.gpus_per_client else []) + single
