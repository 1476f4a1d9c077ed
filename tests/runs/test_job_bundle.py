"""The files of a remote job: one scenario file, its partition, external components."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
import yaml

from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo.runs.job_bundle import MANIFEST, SCENARIO, bundle_new_run, bundle_old_run
from fedsilo.simulation.preparation import partition_of

BASE = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2}
method: promptfl
training: {rounds: 7}
actors: {object_store_mb: 100, pretend_gpus: 2, gpus_per_client: 0.5, dashboard: true}
"""
LAB = """\
from dataclasses import dataclass
from fedsilo.methods.promptfl import PromptFL

@dataclass(frozen=True)
class Mine(PromptFL):
    pass
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nname: mine\nseed: 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_scenario_travels_as_one_file_that_stands_for_itself(here: Path) -> None:
    sent = bundle_new_run(Path("mine.yaml"), ["training.rounds=2"], "first-try")
    assert list(sent.files) == [SCENARIO]
    text = yaml.safe_load(sent.files[SCENARIO])
    assert (text["seed"], text["training"]["rounds"]) == (3, 2)
    assert text["actors"]["address"] == "auto"
    # What a Ray is started with here is not said to a cluster; what clients are given is.
    assert [text["actors"][key] for key in ("object_store_mb", "pretend_gpus", "dashboard")] == [0, 0, False]
    assert text["actors"]["gpus_per_client"] == 0.5
    (here / "elsewhere").mkdir()
    (here / "elsewhere" / SCENARIO).write_bytes(sent.files[SCENARIO])
    assert read(here / "elsewhere" / SCENARIO).training.rounds == 2


def test_folders_have_their_whole_names_and_the_user_is_told(here: Path) -> None:
    sent = bundle_new_run(Path("mine.yaml"), [], "first-try")
    assert sent.run == f"{here}/runs/first-try"
    assert shlex.split(sent.command) == ["python", "-m", "fedsilo", "run", SCENARIO, "--folder", sent.run]
    assert sent.notices == (f"tracking.root: {here}/runs, which every machine of the cluster must see under this name",)
    assert bundle_new_run(Path("mine.yaml"), ["tracking.root=/shared/runs"], "x").notices == ()
    for given, sent_as in (("pictures", f"{here}/pictures"), ("~/pictures", "~/pictures"), ("/data/a", "/data/a")):
        sent = bundle_new_run(
            Path("mine.yaml"), ["data.name=image_folder", f"data.root={given}", "tracking.root=~/runs"], "x"
        )
        assert yaml.safe_load(sent.files[SCENARIO])["data"]["root"] == sent_as
        assert sent.run == f"{Path.home()}/runs/x"
    hub = bundle_new_run(Path("mine.yaml"), ["data.name=huggingface", "data.path=org/name", "tracking.root=/r"], "x")
    assert yaml.safe_load(hub.files[SCENARIO])["data"]["path"] == "org/name"


def test_a_manifest_travels_along(here: Path) -> None:
    partition_of(from_mapping(yaml.safe_load(BASE)))[1].write(here / "frozen.json")
    sent = bundle_new_run(
        Path("mine.yaml"), ["partition.name=manifest", "partition.file=frozen.json", "tracking.root=/r"]
    )
    assert sent.files[MANIFEST] == (here / "frozen.json").read_bytes()
    assert yaml.safe_load(sent.files[SCENARIO])["partition"]["file"] == MANIFEST


def test_code_from_outside_travels_along_and_ours_is_not_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "lab_for_shipment.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(here))
    sent = bundle_new_run(Path("mine.yaml"), ["method=lab_for_shipment:Mine"])
    assert (sent.files["lab_for_shipment.py"].decode(), sent.code) == (LAB, ())
    (here / "lab_package").mkdir()
    (here / "lab_package" / "deep.py").write_text(LAB)
    sent = bundle_new_run(Path("mine.yaml"), ["method=lab_package.deep:Mine"])
    assert ([module.__name__ for module in sent.code], list(sent.files)) == (["lab_package"], [SCENARIO])
    (here / "run").mkdir()
    (here / "run" / SCENARIO).write_text(BASE.replace("promptfl", "'lab_for_shipment:Mine'"))
    assert list(bundle_old_run(str(here / "run"), []).files) == ["lab_for_shipment.py"]
    assert bundle_new_run(Path("mine.yaml"), []).code == ()
    for name in ("lab_for_shipment", "lab_package.deep", "lab_package"):
        del sys.modules[name]


def test_a_resumed_run_needs_nothing_from_here(here: Path) -> None:
    sent = bundle_old_run("/shared/my runs/a", ["actors.gpus_per_client=1"], "python3")
    assert (sent.files, sent.run) == ({}, "/shared/my runs/a")
    assert sent.command.startswith("cd '/shared/my runs/a' 2>/dev/null; python3 -m fedsilo resume '/shared/my runs/a' ")
    words = shlex.split(sent.command)
    assert "actors.gpus_per_client=1" in words
    assert "actors.address=auto" in words


@pytest.mark.parametrize(
    ("words", "name", "error", "says"),
    [
        (["training.rounds=0"], "", ScenarioError, r"training\.rounds: must be"),
        ([], "two words", ScenarioError, r"^name: must be"),
        (
            ["partition.name=manifest", "partition.file=none.json"],
            "",
            RunError,
            r"^none\.json: cannot be read: No such",
        ),
    ],
)
def test_nothing_is_sent_that_could_not_run(
    here: Path, words: list[str], name: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        bundle_new_run(Path("mine.yaml"), words, name)


def test_a_manifest_that_cannot_be_read_is_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "frozen.json").write_text("{}")
    read_bytes = Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self.name == "frozen.json":
            raise PermissionError(13, "Permission denied")
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(RunError, match=r"^frozen\.json: cannot be read: Permission denied\.$"):
        bundle_new_run(Path("mine.yaml"), ["partition.name=manifest", "partition.file=frozen.json"])
