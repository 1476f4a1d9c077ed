"""`fedsilo doctor`: what it finds on machines that are made up."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fedsilo.cli import doctor_command as examining
from fedsilo.cli.doctor_command import Diagnosis


@pytest.mark.parametrize(("trouble", "code"), [("", 0), ("buy [more].", 1)])
def test_the_exit_code_says_whether_anything_would_stop_a_run(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, code: int
) -> None:
    monkeypatch.setattr(examining, "examine", lambda: [Diagnosis("python", "3.12"), Diagnosis("disk", "1 B", trouble)])
    call = command("doctor", tmp_path)
    rows = json.loads(call("--json", code=code)[0])
    assert rows == [
        {"what": "python", "found": "3.12", "trouble": ""},
        {"what": "disk", "found": "1 B", "trouble": trouble},
    ]
    assert (trouble or "none") in call(code=code)[0]


@pytest.mark.parametrize(("free", "enough"), [(2**30 - 1, False), (2**30, True)])
def test_less_than_a_gibibyte_of_disk_is_too_little(monkeypatch: pytest.MonkeyPatch, free: int, enough: bool) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    assert (examining._disk().trouble == "") == enough


@pytest.mark.parametrize(("gib", "enough"), [(3, False), (4, True), (0, True)])  # 0: it is not known
def test_a_small_memory_is_for_the_serial_backend(monkeypatch: pytest.MonkeyPatch, gib: int, enough: bool) -> None:
    monkeypatch.setattr("fedsilo.storage.environment.measure_memory", lambda: gib * 2**30)
    found = examining._memory()
    assert ("actors.backend=serial" not in found.trouble) == enough
    assert f"room for about {max(0, (gib - 2) * 10 // 4)} client actors" in found.found


def test_a_cache_that_cannot_be_written_names_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FEDSILO_CACHE", str(tmp_path / "file"))
    assert "FEDSILO_CACHE" in examining._cache().trouble
    monkeypatch.setenv("FEDSILO_CACHE", str(tmp_path / "new"))
    assert examining._cache() == Diagnosis("feature cache", str(tmp_path / "new" / "features"))


def test_a_package_that_is_missing_is_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.9", "ray": "missing"}
    monkeypatch.setattr("fedsilo.storage.environment.read_versions", lambda: versions)
    torch, ray = examining._packages()
    assert torch == Diagnosis("torch", "2.9")
    assert ray.trouble == "install it: pip install ray"
