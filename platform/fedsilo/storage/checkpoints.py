"""Checkpoints: the state after a round, complete, with checksums, without pickle.

A checkpoint is written to a temporary folder, synced and renamed, so a folder `round-0007` is always complete. Its
`checkpoint.json` holds the hash of every state; a damaged checkpoint is skipped and the one before it is used.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fedsilo.core import State
from fedsilo.core.errors import RunError
from fedsilo.core.state import read_state, require_like, sha256, write_state
from fedsilo.storage.run_folder import read_json, write_json

if TYPE_CHECKING:
    from torch import Tensor

EMPTY = sha256({})
_SHARED = "shared.safetensors"
_NAME = re.compile(r"round-([0-9]{4,})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after a round.

    Attributes:
        folder: The checkpoint's folder; clients find their private state there.
        round: The last finished round.
        shared: The shared state.
        private: Hash of each client's private state, by client.
        versions: Earlier shared states that updates still on their way began from, by round.
    """

    folder: Path
    round: int
    shared: dict[str, Tensor]
    private: dict[int, str]
    versions: dict[int, State] = field(default_factory=dict)

    def private_of(self, client: int) -> dict[str, Tensor]:
        """Reads a client's private state.

        Args:
            client: The client's number.

        Returns:
            Tensors by name; empty where the client has no private state.

        Raises:
            RunError: The state is missing or damaged.
        """
        if client not in self.private:
            raise RunError(f"{self.folder}: checkpoint.json is damaged: it has no client {client}.")
        expected = self.private[client]
        return {} if expected == EMPTY else read_state(self.private_path(client), expected)

    def private_path(self, client: int) -> Path:
        """Names the file of a client's private state.

        Args:
            client: The client's number.

        Returns:
            Path of the file, which may not exist.
        """
        return self.folder / f"client-{client:04d}.safetensors"

    def require_shared(self, pattern: State) -> None:
        """Refuses shared states that the run's method cannot use.

        Args:
            pattern: The method's shared state before round 0.

        Raises:
            RunError: A tensor is missing, or has another shape or type.
        """
        require_like(self.shared, pattern, self.folder / _SHARED)
        for round, state in self.versions.items():
            require_like(state, pattern, self.folder / _version(round))


def starting_point(shared: State, before: Checkpoint | None) -> str:
    """Hashes the states that a round begins from.

    Args:
        shared: The shared state before the round.
        before: The checkpoint that the round begins from; None before round 0, where clients have their initial states.

    Returns:
        16 hexadecimal digits.
    """
    states = [sha256(shared)]
    if before:
        states += [f"{client} {digest}" for client, digest in sorted(before.private.items())]
        states += [f"{round} {sha256(state)}" for round, state in sorted(before.versions.items())]
    return hashlib.sha256("\n".join(states).encode()).hexdigest()[:16]


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, folder: Path, keep: int) -> None:
        """Opens the checkpoints in a folder, which is made when needed.

        Args:
            folder: The folder.
            keep: How many of the newest checkpoints are kept.
        """
        self._folder, self._keep = folder, keep

    def write(
        self,
        round: int,
        shared: State,
        save: Callable[[Path], Mapping[int, str]],
        versions: Mapping[int, State] | None = None,
    ) -> Checkpoint:
        """Writes the state after a round.

        Args:
            round: The round.
            shared: The shared state after it.
            save: Has the clients write their private states into the given folder; returns the hashes by client.
            versions: Earlier shared states that are still needed, by round.

        Returns:
            The checkpoint.

        Raises:
            RunError: The disk refuses.
        """
        final = self._folder / f"round-{round:04d}"
        temporary = self._folder / f".round-{round:04d}.tmp"
        for stale in (temporary, final):
            shutil.rmtree(stale, ignore_errors=True)
        try:
            temporary.mkdir(parents=True)
            shared_hash = write_state(temporary / _SHARED, shared)
            private = dict(save(temporary))
            hashes = {str(client): value for client, value in private.items()}
            older = {
                str(number): write_state(temporary / _version(number), s) for number, s in (versions or {}).items()
            }
            document = {"round": round, "shared": shared_hash, "private": hashes}
            write_json(temporary / "checkpoint.json", document | ({"versions": older} if older else {}))
            _sync(temporary)
            temporary.rename(final)
            _sync(self._folder)
        except OSError as error:
            raise RunError(f"{final}: cannot be written: {error.strerror}. Free space, then resume the run.") from error
        for folder in self._all()[: -self._keep]:
            shutil.rmtree(folder, ignore_errors=True)
        return Checkpoint(final, round, dict(shared), private, dict(versions or {}))

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """Finds the newest undamaged checkpoint.

        Returns:
            The checkpoint, or None, and a line for each damaged one that was skipped.
        """
        notices: list[str] = []
        for folder in reversed(self._all()):
            try:
                return self._read(folder), notices
            except RunError as error:
                notices.append(f"passed over a damaged checkpoint: {error}")
        return None, notices

    def of(self, round: int) -> Checkpoint:
        """Reads the checkpoint of a round.

        Args:
            round: The round.

        Returns:
            The checkpoint.

        Raises:
            RunError: The checkpoint is missing or damaged.
        """
        return self._read(self._folder / f"round-{round:04d}")

    def _read(self, folder: Path) -> Checkpoint:
        document = read_json(folder / "checkpoint.json")
        try:
            round, expected = int(document["round"]), str(document["shared"])
            private = {int(client): str(value) for client, value in document["private"].items()}
            older = {int(number): str(value) for number, value in document.get("versions", {}).items()}
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise RunError(f"{folder}: checkpoint.json is damaged: {error!r}.") from error
        shared = read_state(folder / _SHARED, expected)
        for client, value in private.items():
            if value != EMPTY:
                read_state(folder / f"client-{client:04d}.safetensors", value)
        versions: dict[int, State] = {number: read_state(folder / _version(number), h) for number, h in older.items()}
        return Checkpoint(folder, round, shared, private, versions)

    def _all(self) -> list[Path]:
        """All checkpoints, the newest last: by number, since round-10000 comes before round-9999 by name."""
        found = [
            (int(match[1]), folder) for folder in self._folder.glob("*") if (match := _NAME.fullmatch(folder.name))
        ]
        return [folder for _, folder in sorted(found)]


def _version(round: int) -> str:
    return f"shared-before-{round:04d}.safetensors"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
