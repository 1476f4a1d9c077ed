import numpy as np
import pytest
from PIL import Image

from fedsilo.partitioning.corruption.kinds import SEVERITIES
from fedsilo.partitioning.corruption.light import brightness, colour_cast, contrast, fog, grey


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=float)


def random_image(width: int, height: int, coarseness: int = 1, seed: int = 0) -> Image.Image:
    """Independent values, enlarged smoothly where coarseness is above 1."""
    shape = (-(-height // coarseness), -(-width // coarseness), 3)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def test_contrast_is_the_share_of_the_deviation_that_is_left():
    image = random_image(224, 224, 8)
    left = pixels(contrast(image, 1))
    assert left.std((0, 1)) == pytest.approx(0.4 * pixels(image).std((0, 1)), rel=0.01)
    assert left.mean((0, 1)) == pytest.approx(pixels(image).mean((0, 1)), abs=0.5)


def test_brightness_raises_the_value_and_keeps_the_hue():
    image = Image.new("RGB", (224, 224), (100, 50, 0))
    assert brightness(image, 2).getpixel((0, 0)) == (151, 76, 0)
    assert brightness(Image.new("RGB", (224, 224)), 2).getpixel((0, 0)) == (51, 51, 51)


def test_grey_at_its_worst_is_luma():
    image = random_image(16, 16)
    assert np.abs(pixels(grey(image, 5)) - pixels(image.convert("L"))[:, :, None]).max() <= 1


def test_a_cast_takes_the_opposite_colour_away_and_one_part_stays():
    white = Image.new("RGB", (4, 4), "white")
    for seed in range(8):
        tint = pixels(colour_cast(white, 5, np.random.default_rng(seed)))[0, 0]
        assert tint.max() == 255
        assert tint.min() == pytest.approx(0.25 * 255, abs=1)


def test_casts_of_different_clients_differ():
    image = random_image(16, 16)
    results = {colour_cast(image, 3, np.random.default_rng(seed)).tobytes() for seed in range(8)}
    assert len(results) == 8


def test_fog_hides_more_and_is_never_brighter_than_the_picture():
    image = random_image(64, 64, 8).point(lambda value: value // 2)
    results = [pixels(fog(image, severity, np.random.default_rng(0))) for severity in SEVERITIES]
    left = [np.corrcoef(result.ravel(), pixels(image).ravel())[0, 1] for result in results]
    assert left == sorted(left, reverse=True)
    assert max(result.max() for result in results) <= pixels(image).max() + 1
