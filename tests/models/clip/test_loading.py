from __future__ import annotations

import logging
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from fedsilo.core.errors import BackboneError, ResourceError
from fedsilo.models.clip import loading, weights
from fedsilo.models.clip.loading import Backbone, list_model_names, load
from fedsilo.models.clip.text_tower import TextTower
from fedsilo.simulation.frozen_parts import zero_shot


def local(folder: Path, **fields: Any) -> Backbone:
    return Backbone(**{"name": f"local-dir:{folder}", "device": "cpu", **fields})


def test_towers_of_a_local_folder_compute_what_open_clip_computes(folder: Path, small: Any, tokenizer: Any) -> None:
    loaded = load(local(folder))
    texts = ["a photo of a cat.", "x", " ".join(["very"] * 75)]
    torch.testing.assert_close(loaded.encode_texts(texts), small.encode_text(tokenizer(texts)), rtol=1e-5, atol=1e-6)
    pixels = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(loaded.images.encode(pixels)[0], small.encode_image(pixels))
    assert loaded.scale == pytest.approx(float(small.logit_scale.exp()))
    assert len(loaded.class_tokens(["cat", "dog"])) == 2
    assert loaded.images.preprocessing.height == 32


def test_many_texts_are_encoded_in_parts_with_the_same_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, texts = load(local(folder)), ["a cat", "a very long text about a dog", "x", "two words", "y"]
    together = loaded.encode_texts(texts)
    parts: list[int] = []
    encode = loading.encode_sequences
    monkeypatch.setattr(
        loading, "encode_sequences", lambda tower, rows, ends: parts.append(len(rows)) or encode(tower, rows, ends)
    )
    monkeypatch.setattr(loading, "AT_ONCE", 2)
    torch.testing.assert_close(loaded.encode_texts(texts), together)
    assert parts == [2, 2, 1]


def test_images_are_prepared_by_the_mean_and_the_deviation_of_the_section(folder: Path) -> None:
    own, given = load(local(folder)), load(local(folder, pixel_mean=(0.5, 0.4, 0.3), pixel_std=(0.2, 0.25, 0.3)))
    image = Image.new("RGB", (40, 40), (255, 0, 51))
    expected = (torch.tensor([1.0, 0.0, 0.2]) - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.2, 0.25, 0.3])
    torch.testing.assert_close(given.images.preprocessing.plain(image)[:, 9, 9], expected)
    assert replace(given.images.preprocessing, mean=own.images.preprocessing.mean) != own.images.preprocessing
    only_mean = load(local(folder, pixel_mean=(0.5, 0.4, 0.3))).images.preprocessing
    assert only_mean == replace(own.images.preprocessing, mean=(0.5, 0.4, 0.3))


def test_random_weights_are_a_function_of_the_seed(folder: Path) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = load(local(folder, pretrained="random"), seed=4).fingerprint
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert load(local(folder, pretrained="random"), seed=4).fingerprint == first
    assert load(local(folder, pretrained="random"), seed=5).fingerprint != first


def test_checkpoint_file_takes_the_place_of_the_folders_weights(folder: Path, tmp_path: Path) -> None:
    original = load(local(folder)).fingerprint
    tensors = load_file(folder / "open_clip_model.safetensors")
    torch.save(tensors, tmp_path / "same.pt")
    assert load(local(folder, pretrained=str(tmp_path / "same.pt"))).fingerprint == original
    tensors["ln_final.bias"][3] += 1e-3
    save_file(tensors, tmp_path / "other.safetensors")
    assert load(local(folder, pretrained=str(tmp_path / "other.safetensors"))).fingerprint != original


@pytest.mark.parametrize(
    ("weight", "value", "words"),
    [
        (
            "visual.conv1.weight",
            float("nan"),
            r"in the weights of .*, 'visual.conv1.weight' is nan in \d+ of \d+ numbers",
        ),
        ("ln_final.bias", float("inf"), r"in the weights of .*, 'ln_final.bias' is infinite in"),
        ("text_projection", 1e30, r"in the weights of .*, 'text_projection' holds numbers of up to 1e\+30"),
        (
            "logit_scale",
            100.0,
            r"logit_scale of .* is 100, which multiplies cosines by 2.69e\+43; at most 10000 is allowed",
        ),
        (
            "text_projection",
            0.0,
            r"different texts the same feature \(text_projection is all zero\).* Use other weights",
        ),
        ("logit_scale", -800.0, r"logit_scale of .* is -800, which multiplies cosines by 0"),
    ],
)
def test_weights_that_cannot_be_computed_with_are_named(
    folder: Path, tmp_path: Path, weight: str, value: float, words: str
) -> None:
    tensors = load_file(folder / "open_clip_model.safetensors")
    tensors[weight].fill_(value)
    save_file(tensors, tmp_path / "spoilt.safetensors")
    with pytest.raises(BackboneError, match=r"^backbone\.pretrained: ") as caught:
        load(local(folder, pretrained=str(tmp_path / "spoilt.safetensors")))
    assert re.search(words, str(caught.value))


def test_a_text_whose_feature_is_not_finite_is_named(folder: Path) -> None:
    loaded = load(local(folder))
    tensors = loaded.text.tensors()
    tensors["projection.weight"] = torch.full_like(tensors["projection.weight"], 1e20)
    broken = replace(loaded, text=TextTower.from_tensors(loaded.text.meta, tensors))
    with pytest.raises(BackboneError, match=r"text 'a photo of a cat.': the text tower of local-dir:\S+ gives"):
        broken.encode_texts(["a photo of a cat.", "x"])


class Payload:
    """What a hostile checkpoint would run."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


def test_checkpoint_that_is_not_weights_is_refused_and_runs_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"x": Payload()}, tmp_path / "hostile.pt")
    (tmp_path / "noise.safetensors").write_bytes(b"no tensors at all")
    save_file({"a": torch.zeros(1)}, tmp_path / "another.safetensors")
    for name in ("hostile.pt", "noise.safetensors", "another.safetensors"):
        with pytest.raises(BackboneError, match="is no checkpoint of") as raised:
            load(local(folder, pretrained=str(tmp_path / name)))
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "pwned").exists()


def test_folder_without_weights_is_never_random(folder: Path, tmp_path: Path) -> None:
    config = (folder / "open_clip_config.json").read_text()
    (tmp_path / "open_clip_config.json").write_text(config)
    with pytest.raises(BackboneError, match="could not be loaded"):
        load(local(tmp_path))


def test_tower_that_computes_something_else_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(model: Any) -> Any:
        tower = extract_text_tower(model)
        tensors = tower.tensors()
        tensors["norm.bias"] = tensors["norm.bias"] + 0.01
        return type(tower)(tower.meta, tensors)

    extract_text_tower = loading.extract_text_tower
    monkeypatch.setattr(loading, "extract_text_tower", wrong)
    with pytest.raises(BackboneError, match="does not agree with the fast path"):
        load(local(folder))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "ViT-B16", "pretrained": "openai"}, "name: no 'ViT-B16'. Did you mean 'ViT-B-16'?"),
        ({"name": "zzz", "pretrained": "openai"}, "name: no 'zzz'. Known are"),
        ({"name": "ViT-B-16"}, "pretrained: 'ViT-B-16' needs weights. Give one of openai,"),
        ({"name": "ViT-B/16", "pretrained": "opnai"}, "pretrained: no 'opnai' for 'ViT-B/16'. Did you mean 'openai'?"),
        ({"name": "RN50", "pretrained": "nowhere/rn50.pt"}, "pretrained: there is no file 'nowhere/rn50.pt'."),
        ({"name": "ViT-B-16-SigLIP", "pretrained": "webli"}, "cannot be prompted: its text tower is not causal."),
        ({"name": "roberta-ViT-B-32", "pretrained": "x"}, "cannot be prompted: its text tower is a Hugging Face model"),
        ({"name": "local-dir:nowhere"}, "name: nowhere holds no readable open_clip_config.json."),
        ({"pretrained": "openai"}, "pretrained: no 'openai' for 'fedsilo-tiny'. Leave it empty"),
        ({"precision": "fp8"}, "precision: no 'fp8'. Allowed: fp32, bf16, fp16."),
        ({"device": "gpu"}, "device: no 'gpu'. Allowed: auto, cpu, cuda"),
        ({"device": "meta"}, "device: no 'meta'."),
        ({"pixel_mean": (0.5, math.inf, 0.5)}, "pixel_mean: must be three finite numbers, got [0.5, inf, 0.5]."),
        ({"pixel_std": (0.3, 0.0, 0.3)}, "pixel_std: must be three finite numbers above 0, got [0.3, 0.0, 0.3]."),
    ],
)
def test_impossible_section_is_explained_in_one_line(fields: dict[str, str], words: str) -> None:
    (problem,) = Backbone(**fields).problems()
    assert words in problem
    assert "\n" not in problem
    with pytest.raises(BackboneError) as raised:
        load(Backbone(**fields))
    assert str(raised.value) == f"backbone.{problem}"


def test_sound_sections_have_no_problems(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own.pt").touch()
    for fields in (
        {},
        {"name": "ViT-B/16", "pretrained": "openai"},
        {"name": "RN50", "pretrained": "random"},
        {"name": "ViT-B-32", "pretrained": str(tmp_path / "own.pt"), "precision": "bf16", "device": "cuda:1"},
        {"name": "hf-hub:some/repository"},
        {"name": f"local-dir:{folder}"},
    ):
        assert Backbone(**fields).problems() == []


def test_all_problems_are_found_at_once() -> None:
    found = Backbone(name="nope", pretrained="x", precision="int8", device="tpu0").problems()
    assert [line.split(":")[0] for line in found] == ["precision", "device", "name"]


@pytest.mark.parametrize("name", ["ViT-B-32", "hf-hub:some/repository"])
def test_unreachable_hub_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "_answers", lambda: False)
    tag = "openai" if name == "ViT-B-32" else ""
    with pytest.raises(BackboneError) as raised:
        load(Backbone(name=name, pretrained=tag))
    words = str(raised.value)
    assert "\n" not in words
    assert "could not be fetched (not in the local cache, and the model hub does not answer)" in words
    assert "the weights of ViT-B-32/openai" in words or "give a folder as local-dir:FOLDER" in words


def test_activation_is_that_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def stop(name: str, **options: Any) -> None:
        asked.update(options)
        raise RuntimeError("far enough")

    monkeypatch.setattr(weights, "_answers", lambda: True)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda facts: "file")
    monkeypatch.setattr(open_clip, "create_model", stop)
    for tag, quick in (("openai", True), ("laion2b_s34b_b88k", False)):
        with pytest.raises(BackboneError, match="far enough"):
            load(Backbone(name="ViT-B-16", pretrained=tag))
        assert asked["force_quick_gelu"] is quick
        assert asked["pretrained"] == tag


def test_a_hand_written_prompt_that_is_too_long_is_refused_and_not_cut() -> None:
    loaded = load(Backbone())
    fits = " ".join(["cat"] * 75)
    assert loaded.encode_texts([fits]).shape == (1, 128)
    line = r"^hand-written prompt 'cat cat.* \.\.\.': has 78 tokens, the text tower takes 77\. Shorten the class"
    with pytest.raises(BackboneError, match=line):
        loaded.encode_texts(["a photo of a cat.", f"{fits} cat"])
    long = "x" * 300
    with pytest.raises(
        BackboneError, match=rf"^class 1 \('{long[:60]}\.\.\.'\): hand-written prompt 'a photo of a \.\.\.'"
    ):
        zero_shot(loaded, ["cat", long], "a photo of a {}.")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_missing_device_is_named(folder: Path) -> None:
    with pytest.raises(ResourceError, match="there is no 'cuda' here"):
        load(local(folder, device="cuda"))
    assert load(local(folder, device="auto")).device == "cpu"


def test_loading_leaves_logging_as_it_was(folder: Path) -> None:
    before = (logging.root.manager.disable, list(logging.root.handlers))
    load(local(folder, pretrained="random"))
    assert (logging.root.manager.disable, list(logging.root.handlers)) == before


def test_model_names_are_the_shipped_one_and_those_that_can_be_prompted() -> None:
    own, *others = list_model_names()
    assert own == "fedsilo-tiny"
    assert {"ViT-B-32", "ViT-L-14-quickgelu", "RN50"} <= set(others)
    assert "ViT-B-16-SigLIP" not in others


def test_section_is_read_without_a_model_library() -> None:
    code = """
import sys
from fedsilo.models.clip.backbone_section import Backbone
assert Backbone().problems() == []
assert "open_clip" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
