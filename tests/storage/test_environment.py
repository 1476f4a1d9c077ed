"""What a run ran on: written once, and once more for each resumption."""

import importlib.metadata
from pathlib import Path

import pytest
import torch

from fedsilo.storage import environment
from fedsilo.storage.environment import (
    describe_arithmetic,
    describe_environment,
    hash_source,
    keep_environment,
    read_versions,
)
from fedsilo.storage.run_folder import read_json


def test_versions_are_those_installed_and_others_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package-of-ours"))
    assert read_versions() == {
        "numpy": importlib.metadata.version("numpy"),
        "no-such-package-of-ours": "missing",
    }


def test_resumptions_are_added_behind_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "environment.json"
    keep_environment(path)
    first = read_json(path)
    assert "resumed" not in first
    assert first["code"] == hash_source()
    assert first["cores"] >= 1
    for times in (1, 2):
        keep_environment(path)
        kept = read_json(path)
        assert len(kept["resumed"]) == times
        assert {name: value for name, value in kept.items() if name != "resumed"} == first
        assert kept["resumed"][-1].keys() == describe_environment().keys()


def test_the_line_about_arithmetic_names_all_that_bits_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    line = describe_arithmetic()
    assert f"torch {torch.__version__}" in line
    assert hash_source()[:12] in line
    monkeypatch.setattr(environment, "NOISE", environment.NOISE + 1)
    assert describe_arithmetic() != line


def test_the_hash_of_the_source_depends_on_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "package" / "storage"
    folder.mkdir(parents=True)
    (folder.parent / "other.py").write_text("one = 1\n")
    monkeypatch.setattr(environment, "__file__", str(folder / "environment.py"))
    found = []
    for name, text in (("other.py", "one = 1\n"), ("other.py", "one = 2\n"), ("storage/more.py", ""), ("a.txt", "")):
        (folder.parent / name).write_text(text)
        found.append(hash_source.__wrapped__())
    assert len(set(found[:3])) == 3
    assert found[3] == found[2]
