from __future__ import annotations

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from fedsilo.models.clip.views import AREA, SHAPE, Preprocessing, _crop

PLAIN = Preprocessing(32, 32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def picture(width: int = 60, height: int = 44) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, size=(height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_plain_view_is_open_clips_test_preprocessing(mode: str, size: tuple[int, int]) -> None:
    config = PreprocessCfg(size=size, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), resize_mode=mode)
    expected = image_transform_v2(config, is_train=False)(picture())
    ours = Preprocessing(*size, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), resize_mode=mode)
    assert torch.equal(ours.view(picture(), 0, "digest", 7), expected)


def test_preprocessing_is_read_from_what_open_clip_attaches() -> None:
    config = {"mode": "RGB", "interpolation": "bilinear", "resize_mode": "squash", "fill_color": 3}
    found = Preprocessing.of({**config, "size": 64, "mean": [0.1, 0.2, 0.3], "std": (0.4, 0.5, 0.6)})
    assert found == Preprocessing(64, 64, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear", "squash", 3)
    assert Preprocessing.of({**config, "size": (24, 40), "mean": [0] * 3, "std": [1] * 3}).width == 40


def test_view_depends_on_seed_image_and_number_and_on_nothing_else() -> None:
    first = PLAIN.view(picture(), 1, "a", 0)
    assert first.shape == (3, 32, 32)
    np.random.seed(3)
    torch.manual_seed(3)
    assert torch.equal(PLAIN.view(picture(), 1, "a", 0), first)
    for view, digest, seed in ((2, "a", 0), (1, "b", 0), (1, "a", 1)):
        assert not torch.equal(PLAIN.view(picture(), view, digest, seed), first)


def test_crops_have_the_areas_and_shapes_of_coop() -> None:
    generator = np.random.default_rng(0)
    crops = [_crop(200, 300, generator) for _ in range(500)]
    for top, left, height, width in crops:
        assert top >= 0
        assert left >= 0
        assert top + height <= 200
        assert left + width <= 300
        assert 0.97 * AREA[0] < height * width / 60_000 <= AREA[1]
        assert 0.97 * SHAPE[0] < width / height < 1.03 * SHAPE[1]
    shares = [height * width / 60_000 for _, _, height, width in crops]
    assert min(shares) < 0.12
    assert max(shares) > 0.8


@pytest.mark.parametrize(("height", "width"), [(4, 400), (400, 4), (1, 1)])
def test_very_long_image_is_cropped_in_its_middle(height: int, width: int) -> None:
    top, left, cut_height, cut_width = _crop(height, width, np.random.default_rng(1))
    assert 0 < cut_height <= height
    assert 0 < cut_width <= width
    assert cut_width / cut_height <= 2
    assert abs((height - cut_height) - 2 * top) <= 1 or top == 0
    assert left >= 0


def test_half_of_the_views_are_mirrored() -> None:
    # Brightness falls from left to right, in every crop that is not mirrored.
    ramp = Image.fromarray(np.tile(np.linspace(255, 0, 64, dtype=np.uint8)[None, :, None], (64, 1, 3)))
    views = [PLAIN.view(ramp, number, "ramp", 0) for number in range(1, 201)]
    mirrored = sum(float(view[0, :, 0].mean()) < float(view[0, :, -1].mean()) for view in views)
    assert 75 < mirrored < 125
