"""States as named tensors: conversion to arrays, files, and hashes.

The hash covers names, shapes, types and bytes, so two states with the same hash have the same bits.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fedsilo.core.errors import RunError
from fedsilo.core.types import Arrays, State

if TYPE_CHECKING:
    from torch import Tensor


_REMEDY = "Put the checkpoint back, or remove its folder: the one before it is taken then."


def to_arrays(state: State) -> Arrays:
    """Converts a state to arrays, which share memory with it.

    Args:
        state: Tensors by name.

    Returns:
        Arrays by name.
    """
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.items()}


def to_arrays_of(states: Mapping[int, State]) -> dict[int, Arrays]:
    """Converts several states to arrays, which share memory with them.

    A tensor that is in several states becomes one array, so that it is sent once where states are sent together.

    Args:
        states: States by client.

    Returns:
        Arrays by name, by client.
    """
    tensors = {id(tensor): tensor for state in states.values() for tensor in state.values()}
    arrays = {number: to_arrays({"": tensor})[""] for number, tensor in tensors.items()}
    return {key: {name: arrays[id(tensor)] for name, tensor in state.items()} for key, state in states.items()}


def to_tensors(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """Copies arrays to tensors.

    Args:
        arrays: Arrays by name.

    Returns:
        Tensors by name.
    """
    import torch

    return {name: torch.tensor(array) for name, array in arrays.items()}


def borrow(array: NDArray[np.generic]) -> Tensor:
    """Makes a tensor on an array's own memory.

    Args:
        array: The array; it can be shared between clients.

    Returns:
        A tensor that must never be written to.
    """
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def sha256(state: State | Arrays) -> str:
    """Hashes a state; the order of its names does not matter.

    Args:
        state: Tensors or arrays by name.

    Returns:
        The hash as 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        array = np.ascontiguousarray(value) if isinstance(value, np.ndarray) else to_arrays({name: value})[name]
        digest.update(f"{name}|{array.shape}|{array.dtype}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def size(arrays: Mapping[str, NDArray[np.float32]]) -> int:
    """Counts the bytes of all arrays.

    Args:
        arrays: Arrays by name.

    Returns:
        Bytes.
    """
    return sum(array.nbytes for array in arrays.values())


def write_state(path: Path, state: State) -> str:
    """Writes a state to a file and syncs it.

    Args:
        path: The file.
        state: Tensors by name.

    Returns:
        The state's sha256.

    Raises:
        RunError: The file cannot be written.
    """
    write_bytes(path, save(to_arrays(state)))
    return sha256(state)


def read_state(path: Path, expected: str) -> dict[str, Tensor]:
    """Reads a state from a file.

    Args:
        path: The file.
        expected: The state's sha256.

    Returns:
        Tensors by name.

    Raises:
        RunError: The file is missing, damaged, not the state with the expected hash, or not finite.
    """
    from fedsilo.core.finiteness import find_fault

    try:
        state = to_tensors(load(path.read_bytes()))
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path}: cannot be read: {error}.") from error
    if sha256(state) != expected:
        raise RunError(f"{path}: is damaged, its hash is not {expected[:12]}.")
    fault = find_fault(state)
    if fault:  # written by a version that did not look
        raise RunError(f"{path}: {fault}. Start a new run with a lower training.optimizer.learning_rate.")
    return state


def require_like(state: State, pattern: State, path: Path) -> None:
    """Refuses a state from a file that does not fit a method: a file with a correct hash can belong to another method.

    Args:
        state: What was read.
        pattern: The method's initial state. A tensor without rows in it may have rows in the state, and the state may
            have further tensors.
        path: Where the state is from, for the message.

    Raises:
        RunError: A tensor is missing, or has another shape or type.
    """
    for name, expected in sorted(pattern.items()):
        if name not in state:
            raise RunError(f"{path}: has no tensor {name!r}, which the run's method needs. {_REMEDY}")
        found, shape = state[name], tuple(expected.shape)
        own = (0, *found.shape[1:]) if shape[:1] == (0,) and found.dim() else tuple(found.shape)
        if (own, found.dtype) != (shape, expected.dtype):
            raise RunError(
                f"{path}: tensor {name!r} is {tuple(found.shape)} of {found.dtype}, the run's method takes {shape} of "
                f"{expected.dtype}. {_REMEDY}"
            )


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file completely or not at all: under a temporary name, synced, then renamed.

    Args:
        path: The file; it is replaced if it exists.
        content: The bytes.

    Raises:
        RunError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # a file system that became read-only
            temporary.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written: {error.strerror}. Free space or choose another folder.") from error
