"""Cache of encoded chunks of images on disk; the key of an entry hashes all that its numbers depend on.

One safetensors file per chunk, named by its key, with a SHA-256 of every array inside. It is written under a temporary
name, synced and renamed, so two runs may fill the cache at once and neither ever reads half a file. A damaged entry is
dropped and encoded again. A cache that cannot be written (full disk, no rights) gives one notice and does not stop a
run.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

Array = NDArray[np.float32]

ENVIRONMENT = "FEDSILO_CACHE"
"""Environment variable that names the cache folder; without it the user's own is used."""

IN_MEMORY = 256 * 2**20
"""Bytes: a few copies (driver, object store) do not matter, and few-shot runs need far less."""

_ON_DISK = {"image": "pooled", "patches": "tokens"}
"""Columns (`core.batch`, which needs torch) with another name in files, so that older files are found."""

_SUFFIX = ".safetensors"
_PARTIAL = "partial-"


def find_default_folder() -> Path:
    """Returns the folder of cached features: below $FEDSILO_CACHE, or below the user's cache folder."""
    root = os.environ.get(ENVIRONMENT) or platformdirs.user_cache_dir("fedsilo")
    return Path(root) / "features"


def locate_entry(folder: Path, key: str) -> Path:
    """Returns the file of an entry, which need not exist.

    Args:
        folder: The cache's folder.
        key: The entry's key.

    Returns:
        Path of the file.
    """
    return folder / f"{key}{_SUFFIX}"


def rename_on_disk(column: str) -> str:
    """Translates a column's name into its name in an entry's file.

    Args:
        column: Name of the column.

    Returns:
        The name in the file.
    """
    return _ON_DISK.get(column, column)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One cached chunk.

    Attributes:
        key: What it was computed from, hashed.
        size: Bytes of the file.
        modified: Time of writing, seconds since 1970.
    """

    key: str
    size: int
    modified: float


class FeatureCache:
    """A folder of encoded chunks.

    Attributes:
        folder: Folder of the entries.
        in_memory: Bytes of one split's features that are held in memory; larger ones are read from here as they are
            used. None holds all in memory, for readers that do not see the folder.
        notices: Messages for the user, one line each: damaged entries, a folder that cannot be written.
    """

    def __init__(self, folder: Path | None = None, in_memory: int | None = IN_MEMORY) -> None:
        """Uses a folder, created with the first entry.

        Args:
            folder: Folder of the entries; None for the default folder.
            in_memory: Bytes of one split's features that are held in memory; None for any number.
        """
        self.folder = find_default_folder() if folder is None else folder
        self.in_memory = in_memory
        self.notices: list[str] = []
        self._writable = True

    def read(self, key: str, columns: Sequence[str]) -> dict[str, Array] | None:
        """Reads columns of a chunk.

        Args:
            key: The chunk's key.
            columns: Names of the columns.

        Returns:
            Columns (n, ...) by name; None where there is no sound entry with all of them.
        """
        path = locate_entry(self.folder, key)
        try:
            with safe_open(path, framework="numpy") as file:
                if not {rename_on_disk(name) for name in columns} <= set(file.keys()):
                    return None
                return {name: _read_verified(file, key, rename_on_disk(name)) for name in columns}
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError) as error:
            self._drop(path, error)
            return None

    def write(self, key: str, columns: Mapping[str, Array]) -> bool:
        """Stores a chunk; the first failure adds a notice and ends all writing.

        Args:
            key: The chunk's key.
            columns: (n, ...) by name.

        Returns:
            Whether the cache has the chunk.
        """
        if not self._writable:
            return False
        if "patches" not in columns and self.read(key, (*columns, "patches")) is not None:
            return True  # another run wrote it with tokens, and may be reading them
        arrays = {rename_on_disk(name): array for name, array in columns.items()}
        checks = {name: _checksum(key, name, array) for name, array in arrays.items()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(locate_entry(self.folder, key), save(arrays, metadata=checks))
            return True
        except OSError as error:
            self._writable = False
            reason = error.strerror or type(error).__name__
            self.notices.append(
                f"feature cache {self.folder}: cannot be written ({reason}). The run continues without it."
            )
            return False

    def entries(self) -> list[CacheEntry]:
        """Returns all entries, oldest first."""
        found = []
        for path in self._files(f"*{_SUFFIX}"):
            facts = _facts(path)
            if facts is not None:
                found.append(CacheEntry(path.name.removesuffix(_SUFFIX), facts.st_size, facts.st_mtime))
        return sorted(found, key=lambda entry: (entry.modified, entry.key))

    def size(self) -> int:
        """Returns the bytes of all entries."""
        return sum(entry.size for entry in self.entries())

    def clear(self) -> int:
        """Deletes all entries and what interrupted runs left; returns the number of entries."""
        entries = self._files(f"*{_SUFFIX}")
        for path in [*entries, *self._files(f"{_PARTIAL}*")]:
            path.unlink(missing_ok=True)
        return len(entries)

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(pattern)) if self.folder.is_dir() else []

    def _drop(self, path: Path, error: Exception) -> None:
        self.notices.append(f"feature cache: {path} is damaged ({error}). Its images are encoded again.")
        with suppress(OSError):  # no right to delete it: the next run finds it damaged again
            path.unlink(missing_ok=True)


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:  # another run cleared it
        return None


def _read_verified(file: Any, key: str, name: str) -> Array:
    import torch  # imported here: counting and clearing entries need no torch

    from fedsilo.core.finiteness import find_bad_rows

    array: Array = file.get_tensor(name)
    if (file.metadata() or {}).get(name) != _checksum(key, name, array):
        raise ValueError(f"checksum of {name!r} does not match")
    if find_bad_rows(torch.from_numpy(array)):  # written by a version without this check
        raise ValueError(f"{name!r} holds numbers that are not finite")
    return array


def _checksum(key: str, name: str, array: Array) -> str:
    digest = hashlib.sha256(f"{key}|{name}|{array.dtype}|{array.shape}|".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
