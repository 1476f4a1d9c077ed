"""Weights from folders, files and the hub, and random ones."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.clip.conftest import local

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip import weights
from fedsilo.models.clip.loading import Backbone, load


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


def test_loading_leaves_logging_as_it_was(folder: Path) -> None:
    before = (logging.root.manager.disable, list(logging.root.handlers))
    load(local(folder, pretrained="random"))
    assert (logging.root.manager.disable, list(logging.root.handlers)) == before
