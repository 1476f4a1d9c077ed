"""Files with the keys by which clients sign: `client-N.pub` for all clients, and `client-N.key` for client N alone.

Ed25519 keys in PEM, as `openssl genpkey -algorithm ed25519` writes them.

Assumed: each client has all public keys from a source that the coordinator cannot change, and no one else can read its
private key. All signatures rest on this.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from fedsilo.aggregation.secagg.signatures import Members, Signer
from fedsilo.core.errors import ScenarioError

HOW = "docs/privacy.md says how keys are made."


def read_members(folder: Path, clients: Iterable[int]) -> Members:
    """Reads the public keys of clients.

    Args:
        folder: Folder of the files.
        clients: Numbers of the clients.

    Returns:
        The public keys.

    Raises:
        ScenarioError: A file is missing or holds no public key of Ed25519, or two clients have the same; the text
            begins
            with the file.
    """
    public: dict[int, bytes] = {}
    owners: dict[bytes, int] = {}
    for client in clients:
        path = folder / f"client-{client}.pub"
        key = _load(path, load_pem_public_key, Ed25519PublicKey, "public")
        public[client] = key.public_bytes_raw()
        other = owners.setdefault(public[client], client)
        if other != client:
            raise ScenarioError(
                f"{path}: is the public key of client {other} too. Every client needs a key of its own."
            )
    return Members(public)


def read_signer(folder: Path, client: int, clients: Iterable[int]) -> Signer:
    """Reads what a client signs and checks with.

    Args:
        folder: Folder of the files.
        client: The client whose private key is read.
        clients: The clients whose public keys are read, this client included.

    Returns:
        The private key and all public keys.

    Raises:
        ScenarioError: As `read_members`, or the private key is missing, invalid, or does not fit the public one.
    """
    members = read_members(folder, clients)
    return _signer(folder, client, members)


def check_private_keys(folder: Path, clients: Iterable[int]) -> None:
    """Refuses invalid files among the private keys that are on this machine and can be read here; none has to be.

    Args:
        folder: Folder of the files.
        clients: Numbers of the clients.

    Raises:
        ScenarioError: As `read_signer`, but not for missing private keys.
    """
    members = read_members(folder, clients)
    for client in members.public:
        if os.access(_key_file(folder, client), os.R_OK):
            _signer(folder, client, members)


def find_exposed_keys(folder: Path, clients: Iterable[int]) -> list[Path]:
    """Finds private keys on this machine that other users than the owner can read or change.

    Args:
        folder: Folder of the files.
        clients: Numbers of the clients.

    Returns:
        The files.
    """
    paths = [_key_file(folder, client) for client in clients]
    return [path for path in paths if path.is_file() and path.stat().st_mode & 0o077]


def _key_file(folder: Path, client: int) -> Path:
    return folder / f"client-{client}.key"


def _signer(folder: Path, client: int, members: Members) -> Signer:
    path = _key_file(folder, client)
    private = _load(path, _private, Ed25519PrivateKey, "private")
    if private.public_key().public_bytes_raw() != members.public[client]:
        raise ScenarioError(
            f"{path}: does not belong to client-{client}.pub. Put the pair together that was made together."
        )
    return Signer(private.private_bytes_raw(), members)


def _private(data: bytes) -> Any:
    return load_pem_private_key(data, password=None)


def _load(path: Path, load: Any, kind: type, what: str) -> Any:
    try:
        key = load(path.read_bytes())
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}. {HOW}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ScenarioError(f"{path}: is no {what} key in PEM without a password. {HOW}") from error
    if not isinstance(key, kind):
        raise ScenarioError(f"{path}: is a {what} key of another kind. Use Ed25519. {HOW}")
    return key
