"""Keys from files, by which clients sign: what is refused, and what signatures keep from happening."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from fedsilo.aggregation.secagg.identities import read_members, read_signer
from fedsilo.aggregation.secagg.masking_client import MaskingClient
from fedsilo.aggregation.secagg.protocol_messages import Advertise
from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientTask, Exchange
from fedsilo.core.errors import RoundAborted, ScenarioError
from fedsilo.privacy.mechanisms.none import NoMechanism

CLIENTS, DIM = 4, 6
DOCS = Path(__file__).resolve().parents[3] / "docs" / "privacy.md"


def private_pem(key: Any, password: bytes = b"") -> bytes:
    hiding = BestAvailableEncryption(password) if password else NoEncryption()
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hiding))


def public_pem(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder with the keys of all clients."""
    for client in range(CLIENTS):
        key = Ed25519PrivateKey.from_private_bytes(bytes([client + 1]) * 32)
        (tmp_path / f"client-{client}.key").write_bytes(private_pem(key))
        (tmp_path / f"client-{client}.pub").write_bytes(public_pem(key))
    return tmp_path


def test_keys_are_read_from_files(folder: Path) -> None:
    members = read_members(folder, range(CLIENTS))
    assert set(members.public) == set(range(CLIENTS))
    for client in range(CLIENTS):
        signer = read_signer(folder, client, range(CLIENTS))
        members.check(client, b"content", signer.sign(b"content"))
    assert Secure(identities=str(folder)).problems() == []
    assert Secure(identities=str(folder)).identity_problems(CLIENTS) == []
    assert Secure().identity_problems(CLIENTS) == []
    assert Secure().signer(0, CLIENTS) is None


BROKEN: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no public key": ("client-2.pub", Path.unlink, "cannot be read: No such file"),
    "no private key": ("client-0.key", Path.unlink, "cannot be read: No such file"),
    "garbage": ("client-2.pub", lambda path: path.write_bytes(b"\xff garbage"), "is no public key in PEM"),
    "an empty file": ("client-0.key", lambda path: path.write_bytes(b""), "is no private key in PEM"),
    "a private key as a public one": (
        "client-3.pub",
        lambda path: path.write_bytes(private_pem(Ed25519PrivateKey.generate())),
        "is no public key in PEM",
    ),
    "a password": (
        "client-0.key",
        lambda path: path.write_bytes(private_pem(Ed25519PrivateKey.generate(), b"secret")),
        "is no private key in PEM without a password",
    ),
    "another kind": (
        "client-1.pub",
        lambda path: path.write_bytes(public_pem(X25519PrivateKey.generate())),
        "is a public key of another kind. Use Ed25519.",
    ),
    "another client's": (
        "client-0.key",
        lambda path: path.write_bytes(private_pem(Ed25519PrivateKey.generate())),
        "does not belong to client-0.pub",
    ),
    "the same twice": (
        "client-3.pub",
        lambda path: path.write_bytes((path.parent / "client-1.pub").read_bytes()),
        "is the public key of client 1 too",
    ),
}


@pytest.mark.parametrize(("name", "change", "why"), BROKEN.values(), ids=BROKEN)
def test_every_wrong_file_is_refused_by_name(folder: Path, name: str, change: Any, why: str) -> None:
    change(folder / name)
    secure = Secure(identities=str(folder))
    with pytest.raises(ScenarioError) as caught:
        secure.signer(0, CLIENTS)
    line = str(caught.value)
    assert line.startswith(f"{folder / name}: ")
    assert why in line
    assert "\n" not in line
    absent = name.endswith(".key") and not (folder / name).exists()
    # Who coordinates needs no private key; where it is at hand all the same, it is looked at.
    assert secure.identity_problems(CLIENTS) == ([] if absent else [f"identities: {line}"])


def test_private_keys_that_others_can_read_get_one_notice(folder: Path) -> None:
    secure = Secure(identities=str(folder))
    for path in folder.glob("*.key"):
        path.chmod(0o600)
    assert secure.identity_notices(CLIENTS) == []
    for client in (1, 2):
        (folder / f"client-{client}.key").chmod(0o640)
    (line,) = secure.identity_notices(CLIENTS)
    assert re.search(r"client-1\.key and 1 more can be read by other users.*chmod 600", line)
    assert Secure().identity_notices(CLIENTS) == []


def test_a_missing_folder_is_refused_and_a_relative_one_is_found_from_anywhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = Secure(identities=str(folder / "nowhere")).problems()
    assert line.startswith(f"identities: there is no folder '{folder / 'nowhere'}'.")
    assert Secure(identities=str(folder / "client-0.pub")).problems(), "a file is no folder"
    monkeypatch.chdir(folder.parent)
    located = Secure(identities=folder.name).with_absolute_paths()
    monkeypatch.chdir("/")
    assert located.identity_problems(CLIENTS) == []
    assert Secure().with_absolute_paths() == Secure()


class Relay:
    """A backend that answers for all clients but one by itself, with vectors that it knows, and listens."""

    def __init__(self, victim: MaskingClient, invented: Mapping[int, MaskingClient]) -> None:
        self.clients = {0: victim, **invented}
        self.advertised: dict[int, Advertise] = {}

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        for number, task in tasks.items():
            change = {"a": np.full(DIM, 0.0 if number else 3.25)}
            self.clients[number].keep(task.encoding.encode(change, 1, 0.0, bytes(32)), lambda parameters: None)  # type: ignore[union-attr]

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        return {number: self.clients[number].answer(message) for number, message in messages.items()}

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        return {number: self.clients[number].masked() for number in clients}


def gathered(secure: Secure, relay: Relay) -> Any:
    tasks = {client: ClientTask(0, 0, {"a": np.zeros(DIM, dtype=np.float32)}) for client in range(CLIENTS)}
    known = {"a": torch.zeros(DIM)}
    return secure.gather(Exchange(tasks, relay, known, True, 1, NoMechanism(), lambda clients: None))  # type: ignore[arg-type]


def test_who_relays_messages_reads_a_vector_unless_clients_sign(folder: Path) -> None:
    """A coordinator that invents the other clients: unsigned, the sum is the victim's vector."""
    invented = {number: MaskingClient(number) for number in range(1, CLIENTS)}
    victim = MaskingClient(0)
    read = gathered(Secure(threshold=CLIENTS), Relay(victim, invented)).mean["a"] * CLIENTS
    assert torch.allclose(read, torch.full((DIM,), 3.25, dtype=read.dtype), atol=1e-6)
    victim.sign_with(Secure(identities=str(folder)).signer(0, CLIENTS))
    with pytest.raises(RoundAborted, match=r"client 0 was left out: it refused: .*not signed by it"):
        gathered(Secure(threshold=CLIENTS), Relay(victim, invented))


def test_clients_that_sign_are_summed_and_one_with_another_key_is_left_out(folder: Path) -> None:
    secure = Secure(identities=str(folder), threshold=3)
    clients = {number: MaskingClient(number) for number in range(CLIENTS)}
    for number, client in clients.items():
        client.sign_with(secure.signer(number, CLIENTS))
    assert gathered(secure, Relay(clients[0], clients)).clients == (0, 1, 2, 3)
    clients[2].sign_with(secure.signer(1, CLIENTS))  # client 1's key in client 2's hands
    found = gathered(secure, Relay(clients[0], clients))
    assert found.clients == (0, 1, 3)
    assert "client 2 was left out" in found.notices[0]
    clients[2].sign_with(None)
    assert gathered(secure, Relay(clients[0], clients)).clients == (0, 1, 3)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_the_documented_commands_make_keys(tmp_path: Path) -> None:
    (commands,) = re.findall(r"```sh\n(mkdir [^`]*openssl[^`]*)```", DOCS.read_text(encoding="utf-8"))
    subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    (folder,) = tmp_path.iterdir()
    for client in range(10):
        assert read_signer(folder, client, range(10)).members == read_members(folder, range(10))
        assert (folder / f"client-{client}.key").stat().st_mode & 0o077 == 0, "no other user reads it"
