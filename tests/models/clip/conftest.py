"""Small open_clip models with weights in which nothing is zero, one or symmetric."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from fedsilo.core import Examples
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.models.clip.features import (
    Viewing,
)
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.views import Preprocessing

SMALL_VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
SMALL_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2}
CONFIG = {"embed_dim": 24, "vision_cfg": SMALL_VISION, "text_cfg": SMALL_TEXT}


def disturbed(model: nn.Module) -> nn.Module:
    """Returns the model frozen, biases and norms moved off their initial zeros and ones."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if "bias" in name or isinstance(module, nn.LayerNorm):
                parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def build() -> Callable[..., Any]:
    """Returns build(text_cfg, custom=False, **top-level options): a CLIP with a very small image tower."""

    def make(text: dict[str, Any], custom: bool = False, **options: Any) -> Any:
        kind = CustomTextCLIP if custom else CLIP
        given = {"embed_dim": 24, "vision_cfg": SMALL_VISION, **options, "text_cfg": text}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return disturbed(kind(**given))

    return make


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return open_clip.get_tokenizer("ViT-B-32")


@pytest.fixture(scope="session")
def small(build: Callable[..., Any]) -> Any:
    return build(SMALL_TEXT)


@pytest.fixture(scope="session")
def folder(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder that open_clip's factory loads the small model from."""
    path = tmp_path_factory.mktemp("model")
    (path / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {"size": 32}}))
    save_file(small.state_dict(), path / "open_clip_model.safetensors")
    return path


def noise(index: int) -> Image.Image:
    """Returns image `index` of the example split: 48 x 40 pixels of coloured noise."""
    pixels = np.random.default_rng(index).integers(0, 256, size=(40, 48, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def examples() -> Examples:
    labels = np.arange(75) % 3
    return Examples(labels, np.zeros(75, dtype=np.int64), noise, tuple(f"image-{i}" for i in range(75)))


def local(folder: Path, **fields: Any) -> Backbone:
    return Backbone(**{"name": f"local-dir:{folder}", "device": "cpu", **fields})


@pytest.fixture(scope="module")
def encoder(small: Any) -> ImageEncoder:
    return ImageEncoder(small.visual, Preprocessing(32, 32, (0.5,) * 3, (0.25,) * 3), "weights")


def first(examples: Examples, count: int) -> Examples:
    return Examples(examples.labels[:count], examples.domains[:count], examples.fetch, examples.digests[:count])


# More than one forward pass in the first chunk, and a second chunk.
SPAN = 70
BOTH = ("image", "patches")
VIEWS = Viewing((0, 1, 2), 5, BOTH)


@pytest.fixture
def cache(tmp_path: Any) -> FeatureCache:
    return FeatureCache(tmp_path)
