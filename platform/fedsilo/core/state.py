"""State as named tensors: between arrays and tensors, to and from files, and its hash.

The hash covers names, shapes, types and bytes, so two states with the same hash are the same bits.
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
    """Returns the state as arrays that share memory with it."""
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.items()}


def to_arrays_of(states: Mapping[int, State]) -> dict[int, Arrays]:
    """Returns several states as arrays that share memory with them.

    A tensor that stands in more than one of them is one array in all: it is sent once to whom they are sent together.
    """
    tensors = {id(tensor): tensor for state in states.values() for tensor in state.values()}
    arrays = {number: to_arrays({"": tensor})[""] for number, tensor in tensors.items()}
    return {key: {name: arrays[id(tensor)] for name, tensor in state.items()} for key, state in states.items()}


def to_tensors(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """Returns copies of the arrays as tensors."""
    import torch

    return {name: torch.tensor(array) for name, array in arrays.items()}


def borrow(array: NDArray[np.generic]) -> Tensor:
    """Returns a tensor on the array's own memory, which must never be written (it may be shared between clients)."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def sha256(state: State | Arrays) -> str:
    """Returns the hash of a state, independent of the order of its names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        array = np.ascontiguousarray(value) if isinstance(value, np.ndarray) else to_arrays({name: value})[name]
        digest.update(f"{name}|{array.shape}|{array.dtype}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def size(arrays: Mapping[str, NDArray[np.float32]]) -> int:
    """Returns the bytes of all arrays."""
    return sum(array.nbytes for array in arrays.values())


def write_state(path: Path, state: State) -> str:
    """Writes a state to disk, synced; returns its hash."""
    write_bytes(path, save(to_arrays(state)))
    return sha256(state)


def read_state(path: Path, expected: str) -> dict[str, Tensor]:
    """Returns a state from disk.

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
    """Refuses a state from disk that a method cannot take up: a file with a sound hash may be another method's.

    Args:
        state: What was read.
        pattern: The method's initial state. A tensor of it without rows may have got some, and others may have come.
        path: Where the state is from, for the message.

    Raises:
        RunError: A tensor is missing, or is of another shape or type.
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
    """Writes a file so that it is on disk, whole or not at all: temporary name, sync, rename."""
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
