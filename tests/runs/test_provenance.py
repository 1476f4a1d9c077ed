"""What a run begins with, and the checks of a resumed run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core.errors import RunError
from fedsilo.runs.provenance import keep_origin

CLIENTS = 3
Keep = Callable[[str], None]


def make_keys(folder: Path, first: int) -> str:
    """Writes the public keys of all clients, other ones for another first number; returns the folder."""
    folder.mkdir()
    for client in range(CLIENTS):
        key = Ed25519PrivateKey.from_private_bytes(bytes([first + client]) * 32).public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / f"client-{client}.pub").write_bytes(pem)
    return str(folder)


@pytest.fixture
def keep(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Begins, or resumes, one run whose clients sign by the keys in a folder; "" for clients that do not sign."""

    class Unmeasured:
        def write(self, path: Path) -> None:
            pass

    monkeypatch.setattr("fedsilo.runs.provenance.draw_partition", lambda manifest, path, name: None)
    monkeypatch.setattr("fedsilo.runs.provenance.measure_prepared", lambda scenario, prepared: Unmeasured())
    prepared, folder = world(clients=CLIENTS).prepared(), tmp_path / "run"
    folder.mkdir()

    def call(identities: str) -> None:
        aggregation = {"name": "secure", **({"identities": identities} if identities else {})}
        keys = {"partition": {"clients": CLIENTS}, "method": "promptfl", "aggregation": aggregation}
        keep_origin(from_mapping(keys), prepared, folder)

    return call


def test_a_run_that_signs_is_not_resumed_unsigned_or_with_other_keys(keep: Keep, tmp_path: Path) -> None:
    """The folder is a place and may change; the keys are what the clients' trust rests on."""
    first, other = make_keys(tmp_path / "keys", 1), make_keys(tmp_path / "other", 7)
    keep(first)
    for identities, shown in (("", "sha256 none, was "), (other, "sha256 ")):
        with pytest.raises(
            RunError, match=rf"clients' public keys \(aggregation\.identities\) .*{shown}.*Restore them"
        ):
            keep(identities)
    keep(str(Path(first).rename(tmp_path / "moved")))


def test_a_run_that_does_not_sign_is_not_resumed_signed_and_has_no_hash_of_keys(keep: Keep, tmp_path: Path) -> None:
    keep("")
    keep("")
    assert "identities_sha256" not in json.loads((tmp_path / "run" / "data.json").read_text())
    with pytest.raises(RunError, match=r"clients' public keys .*was none"):
        keep(make_keys(tmp_path / "keys", 1))


def test_keys_that_change_within_one_process_are_seen(keep: Keep, tmp_path: Path) -> None:
    folder = Path(make_keys(tmp_path / "keys", 1))
    keep(str(folder))
    folder.rename(tmp_path / "before")
    with pytest.raises(RunError, match="clients' public keys"):
        keep(make_keys(folder, 7))
