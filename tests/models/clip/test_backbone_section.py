"""What is wrong with a backbone's section."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.loading import Backbone, load


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


def test_section_is_read_without_a_model_library() -> None:
    code = """
import sys
from fedsilo.models.clip.backbone_section import Backbone
assert Backbone().problems() == []
assert "open_clip" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
