"""`fedsilo partition`: its output and its files, for one scenario and for several."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fedsilo.partitioning.heterogeneity import Scores
from fedsilo.partitioning.manifest import Manifest

SCENARIO = """\
data:
  {{name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 5, test_per_class_and_domain: 3}}
partition: {}
method: promptfl
"""
ALIKE, UNLIKE = "{clients: 4}", "{clients: 4, label: {name: dirichlet, beta: 0.05}}"


@pytest.fixture(scope="module")
def call(command, tmp_path_factory):  # type: ignore[no-untyped-def]
    folder: Path = tmp_path_factory.mktemp("partitioning")
    for name, rule in (("alike", ALIKE), ("unlike", UNLIKE), ("domains", "{feature: domains}")):
        (folder / f"{name}.yaml").write_text(SCENARIO.format(rule))
    (folder / "again").mkdir()
    (folder / "again" / "alike.yaml").write_text(SCENARIO.format(ALIKE) + "seed: 5\n")
    called = command("partition", folder)
    called.folder = folder
    return called


def test_one_scenario_is_split_measured_and_drawn(call: Callable[..., tuple[str, str]]) -> None:
    printed, _ = call("domains.yaml")
    folder = call.folder / "partitions" / "domains"  # type: ignore[attr-defined]
    assert {path.name for path in folder.iterdir()} == {
        "partition.json",
        "heterogeneity.json",
        "partition.png",
        "clients.png",
    }
    manifest, scores = Manifest.read(folder / "partition.json"), Scores.read(folder / "heterogeneity.json")
    assert scores.split_sha256 == manifest.split_sha256
    assert (scores.clients, scores.backbone, scores.images) == (2, "fedsilo-tiny", 40)
    assert "features, sliced" in printed
    assert "effective clients of 2" in printed
    assert "most of" in printed
    assert manifest.sha256[:16] in printed
    with Image.open(folder / "clients.png") as picture:
        assert picture.size[0] > 800


def test_without_features_no_model_is_loaded(
    call: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedsilo.simulation.feature_sample.load", None)
    document = json.loads(call("unlike.yaml", "--no-features", "--json", "--out", "bare")[0])
    assert [score["name"] for score in document["scores"]] == ["label_shift", "label_distance", "label_total_variation"]
    assert document["heterogeneity"] == "bare/heterogeneity.json"
    assert any("not measured" in notice for notice in document["notices"])


def test_only_so_many_images_are_encoded(call: Callable[..., tuple[str, str]]) -> None:
    call("unlike.yaml", "--images", "20", "--out", "few")
    scores = Scores.read(call.folder / "few" / "heterogeneity.json")  # type: ignore[attr-defined]
    assert 2 <= scores.images <= 20
    assert any("drawn at random" in note for note in scores.notes)


def test_a_folder_that_may_not_be_written_stops_before_any_work(
    call: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    monkeypatch.setattr("fedsilo.simulation.preparation.partition_of", None)
    assert "is not writable" in call("alike.yaml", "--out", "locked/x", code=2)[1]


def test_several_scenarios_are_compared(call: Callable[..., tuple[str, str]]) -> None:
    printed, _ = call("alike.yaml", "unlike.yaml", "again/alike.yaml", "partition.clients=3", "--out", "both")
    folder = call.folder / "both"  # type: ignore[attr-defined]
    assert {path.name for path in folder.iterdir()} == {"alike", "unlike", "alike-2", "compared.png"}
    shift = {
        name: next(
            score for score in Scores.read(folder / name / "heterogeneity.json").scores if score.name == "label_shift"
        )
        for name in ("alike", "unlike")
    }
    assert Scores.read(folder / "alike" / "heterogeneity.json").clients == 3
    assert shift["alike"].within_null
    assert shift["alike"].beyond_chance < shift["unlike"].beyond_chance
    assert "side by side" in printed
    assert "alike-2" in printed


def test_several_as_json_are_one_document(call: Callable[..., tuple[str, str]]) -> None:
    document = json.loads(call("alike.yaml", "unlike.yaml", "--no-features", "--json")[0])
    assert [entry["name"] for entry in document["partitions"]] == ["alike", "unlike"]
    assert document["picture"] == "partitions/compared.png"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("none.yaml",), "none.yaml"),
        (("alike.yaml", "none.yaml"), "none.yaml"),
        (("seed=1",), "no scenario file"),
        (("alike.yaml", "--out", "alike.yaml"), "alike.yaml is not a folder. Choose another --out."),
        (("alike.yaml", "unlike.yaml", "--no-features", "--out", "alike.yaml/x"), "is not a folder"),
        (("alike.yaml", "partition.clients=0"), "clients"),
        (("alike.yaml", "partition.clients=1000"), "1000"),
    ],
)
def test_what_is_wrong_is_one_line_before_any_work(
    call: Callable[..., tuple[str, str]], words: tuple[str, ...], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--out" in words:
        monkeypatch.setattr("fedsilo.simulation.preparation.partition_of", None)
    printed, errors = call(*words, code=2)
    assert printed == ""
    assert line in errors
    assert len(errors.strip().splitlines()) == 1


LARGE = """\
data: {name: emblems, train_per_class_and_domain: 300, test_per_class_and_domain: 100}
partition: {clients: 10000, label: {name: dirichlet, beta: 0.1}}
method: promptfl
"""


MEASURED = """\
import os, re, sys
from pathlib import Path
from fedsilo.cli import main
try:
    main()
except SystemExit as ended:
    if ended.code:
        raise
used = os.times()
# Of this program alone: ru_maxrss counts what the process had before, as a copy of its parent.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(used.user + used.system, peak)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("options", [("--no-features",), ("--images", "400")])
def test_ten_thousand_clients_take_less_than_2_minutes_of_a_processor_and_2_gigabytes(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "large.yaml").write_text(LARGE)
    words = ["partition", str(tmp_path / "large.yaml"), "--out", str(tmp_path / "out"), "-q", *options]
    environment = {**os.environ, "FEDSILO_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", MEASURED, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seconds, peak = map(float, done.stdout.splitlines()[-1].split())
    assert seconds < 120  # of one processor, several times what it takes: other work slows a processor down as well
    assert peak < 2_000_000  # kB
    assert Scores.read(tmp_path / "out" / "heterogeneity.json").clients == 10_000
