import numpy as np
import pytest
from PIL import Image

from fedsilo.partitioning.corruption.sensor import impulse, noise


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=float)


def test_noise_has_the_deviation_it_says():
    grey_picture = Image.new("RGB", (224, 224), (128, 128, 128))
    result = pixels(noise(grey_picture, 1, np.random.default_rng(0))) - 128
    assert result.std() / 255 == pytest.approx(0.08, rel=0.02)
    assert abs(result.mean()) < 0.2


def test_so_many_values_are_dead_half_of_them_black():
    result = pixels(impulse(Image.new("RGB", (224, 224), (100, 100, 100)), 5, np.random.default_rng(0)))
    assert (result == 0).mean() == pytest.approx(0.135, abs=0.005)
    assert (result == 255).mean() == pytest.approx(0.135, abs=0.005)
