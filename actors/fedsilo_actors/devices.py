"""Devices of actors: an actor computes on a GPU only if Ray gave it a share of one.

The driver computes on the CPU: Ray gives GPUs to actors, and use beside that would be counted nowhere.
"""

from __future__ import annotations

import torch

from fedsilo.config.sections import Actors
from fedsilo.core import Devices
from fedsilo.core.errors import ResourceError
from fedsilo_actors.cluster import total_resources


def resolve_device(section: Actors, asked: str) -> str:
    """Resolves the device that actors compute on if they are given a GPU.

    Args:
        section: The scenario's `actors`.
        asked: Its `backbone.device`.

    Returns:
        "auto", "cuda", or a device that Ray does not manage.
    """
    if not _given_by_ray(asked):
        return asked
    return "cpu" if section.pretend_gpus else asked.partition(":")[0]


def pick_device(device: str, gpus: float) -> str:
    """Picks the device of this actor: a GPU only if it was given one and torch finds it.

    Args:
        device: The result of `resolve_device`.
        gpus: The share of a GPU that the actor was given.

    Returns:
        A torch device.

    Raises:
        ResourceError: "cuda" is asked for by name and given, but torch finds no GPU here.
    """
    if not _given_by_ray(device):
        return device
    if gpus and torch.cuda.is_available():
        return "cuda"
    if gpus and device != "auto":
        raise ResourceError(
            f"backbone.device: is '{device}', but torch finds no GPU where Ray gave out {gpus:g} of one. "
            "Install torch with CUDA there, or use cpu."
        )
    return "cpu"


def choose_devices(section: Actors, asked: str) -> Devices:
    """Chooses where the driver and the encoders compute; encoders get GPUs where the cluster has any.

    Args:
        section: The scenario's `actors`.
        asked: Its `backbone.device`.

    Returns:
        The devices.

    Raises:
        ResourceError: A GPU is asked for by name, and the cluster has none.
    """
    device = resolve_device(section, asked)
    if not _given_by_ray(device):
        return Devices(device, device)
    there = total_resources().get("GPU", 0) >= 1
    if device != "auto" and not there and section.wait_for_nodes:
        return Devices("cpu", "cuda")
    if device != "auto" and not there:
        raise ResourceError(f"backbone.device: is '{asked}', but the cluster has no GPU. Use auto or cpu.")
    if device == "auto" and not section.address:
        there = there and torch.cuda.is_available()  # this machine's GPU may be one that its torch cannot use
    return Devices("cpu", "cuda" if there else "cpu")


def _given_by_ray(device: str) -> bool:
    return device == "auto" or device.startswith("cuda")
