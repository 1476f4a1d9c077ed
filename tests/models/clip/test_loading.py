from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.models.clip.conftest import local

from fedsilo.core.errors import BackboneError, ResourceError
from fedsilo.models.clip import loading
from fedsilo.models.clip.loading import Backbone, load
from fedsilo.models.clip.text_tower import TextTower
from fedsilo.simulation.frozen_parts import zero_shot


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
