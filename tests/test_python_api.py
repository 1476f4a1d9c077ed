"""fedsilo.run and fedsilo.load on a small serial run with the shipped backbone, and predictions with what it learnt."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.runs.small_scenario import SMALL

import fedsilo
from fedsilo.core.errors import NotFinite, RunError
from fedsilo.core.state import read_state, write_state
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.prediction import predict
from fedsilo.runs.run import go
from fedsilo.storage.checkpoints import Checkpoints


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(tmp_path_factory.mktemp("cache")))
        return fedsilo.run(SMALL, **{"tracking.root": str(folder), "evaluation": {"references": ["local"]}})


def test_a_run_comes_back_as_tables(small: Run) -> None:
    assert list(small.results["method"]) == ["chance", "zero_shot", "local", "promptfl"]
    assert list(small.rounds["round"]) == [0, 1]
    assert len(small.clients) == 6
    assert small.results["local_accuracy"].between(0, 1).all()
    assert {"up", "down"} == set(small.wire["direction"])


def test_the_folder_holds_what_it_should(small: Run) -> None:
    names = {path.name for path in small.folder.iterdir()} - {".lock", ".driver.lock"}
    assert names == {
        "scenario.yaml", "environment.json", "data.json", "partition.json", "partition.png", "heterogeneity.json",
        "rounds.jsonl", "clients.jsonl", "wire.jsonl", "timeline.jsonl", "checkpoints", "references", "result.json",
        "report.html",
    }  # fmt: skip


def test_a_loaded_run_is_the_run(small: Run) -> None:
    again = fedsilo.load(small.folder)
    assert again.finished
    assert again.result == small.result
    assert again.scenario.method == small.scenario.method
    assert torch.equal(again.shared["context"], small.shared["context"])
    assert small.shared["context"].shape == (2, 128)
    assert again.private(1) == {}


@pytest.mark.parametrize("value", [float("nan"), 1e30])
def test_scores_that_are_not_finite_classify_nothing(small: Run, value: float) -> None:
    """Of nan softmax makes a probability of nan, of which argmax makes the first class."""
    images = [Image.new("RGB", (64, 64))]
    newest, _ = Checkpoints(small.folder / "checkpoints", keep=2).newest()
    assert newest is not None
    spoilt = replace(newest, shared={"context": torch.full_like(newest.shared["context"], value)})
    with pytest.raises(
        NotFinite, match=r"predict: the scores of 1 of 1 images are nan, first of image 0\. Lower train"
    ):
        predict(small.scenario, small.candidates, "a {}.", spoilt, 0, images)


def edit(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    """Changes the newest shared state, its hash with it."""
    newest = sorted(folder.glob("checkpoints/round-*"))[-1]
    document = json.loads((newest / "checkpoint.json").read_text())
    state = read_state(newest / "shared.safetensors", document["shared"])
    document["shared"] = write_state(newest / "shared.safetensors", change(state))
    (newest / "checkpoint.json").write_text(json.dumps(document))


@pytest.fixture
def copied(small: Run, tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(small.folder, tmp_path / "copied")))


def test_an_older_checkpoint_is_not_used_in_silence(copied: Run) -> None:
    images = [Image.new("RGB", (64, 64))]
    edit(copied.folder, lambda state: {"context": torch.full_like(state["context"], torch.nan)})
    said = r"passed over .*round-0001.shared\.safetensors: 'context' is nan .* What follows is of round 0\.$"
    with pytest.warns(UserWarning, match=said):
        assert copied.shared["context"].isfinite().all()
    told: list[str] = []
    copied.predict(0, images, told.append)
    (line,) = told
    assert re.search(said, line)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda state: {"contxt": state["context"]}, "has no tensor 'context'"),
        (
            lambda state: {"context": state["context"][:, :64].contiguous()},
            r"'context' is \(2, 64\) .*takes \(2, 128\)",
        ),
        (lambda state: {"context": state["context"].double()}, r"'context' is .*float64, .*float32"),
    ],
    ids=["another name", "another shape", "another type"],
)
def test_a_checkpoint_of_another_method_is_refused_by_file_and_tensor(copied: Run, change: Any, fault: str) -> None:
    edit(copied.folder, change)
    line = r"round-0001.shared\.safetensors: (has no )?tensor .*\. Put the checkpoint back, or remove its folder"
    with pytest.raises(RunError, match=line) as refused:
        copied.predict(0, [Image.new("RGB", (64, 64))])
    assert re.search(fault, str(refused.value))
    (copied.folder / "result.json").unlink()
    with pytest.raises(RunError, match=line):
        go(copied.folder)


def test_a_learnt_prompt_classifies_images_as_the_run_did(small: Run) -> None:
    images = small.scenario.data.load(small.scenario.seed)
    share = small.manifest.shares()[1].test
    frame = small.predict(1, [images.test.fetch(int(i)) for i in share])
    right = (frame["class"] == [images.classes[images.test.labels[i]] for i in share]).sum()
    last = small.clients[(small.clients["round"] == 1) & (small.clients["client"] == 1)]
    assert right == int(last["correct"].iloc[0])
    assert frame.filter(like="p(").sum(axis=1).sub(1).abs().max() < 1e-5


def test_what_is_not_there_is_refused_in_one_line(small: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no client 3\. It has clients 0 to 2"):
        small.private(3)
    with pytest.raises(RunError, match="no such run"):
        fedsilo.load(tmp_path / "nothing")
