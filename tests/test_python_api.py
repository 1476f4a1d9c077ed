"""fedsilo.run and fedsilo.load on a small serial run with the shipped backbone, and predictions with what it learnt."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import fedsilo
from fedsilo.errors import NotFinite, RunError, ScenarioError
from fedsilo.results.prediction import predict
from fedsilo.results.reading import Run

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {
        "classes": 4,
        "domains": ["sketch", "neon"],
        "train_per_class_and_domain": 4,
        "test_per_class_and_domain": 3,
    },
    "partition": {"clients": 3, "label": {"name": "dirichlet", "beta": 1.0}},
    "method": {"name": "promptfl", "context_length": 2},
    "training": {"rounds": 2, "batch_size": 8, "optimizer": {"learning_rate": 0.1}},
    "actors": {"backend": "serial"},
}


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
    spoilt = {"context": torch.full_like(small.shared["context"], value)}
    with pytest.raises(
        NotFinite, match=r"predict: the scores of 1 of 1 images are nan, first of image 0\. Lower train"
    ):
        predict(small.scenario, small.manifest.classes, "a {}.", spoilt, {}, images)


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


def test_overrides_win_and_wrong_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"training\.rounds"):
        fedsilo.run(SMALL, training={"rounds": 0}, tracking={"root": str(tmp_path / "runs")})
    assert not (tmp_path / "runs").exists()


def test_the_same_seed_gives_the_same_hashes_and_another_one_others(tmp_path: Path, cache_folder: Path) -> None:
    def sha(**changes: Any) -> str:
        return str(fedsilo.run(SMALL, tracking={"root": str(tmp_path)}, **changes).result["sha256"])

    assert sha() == sha()
    assert sha() != sha(seed=1)


def test_cached_and_fresh_features_give_the_same_run(tmp_path: Path, cache_folder: Path) -> None:
    def sha() -> str:
        return str(fedsilo.run(SMALL, tracking={"root": str(tmp_path)}).result["sha256"])

    cold = sha()
    assert list(cache_folder.rglob("*.safetensors"))
    assert sha() == cold
    for path in cache_folder.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-7])
    assert sha() == cold
