import numpy as np
import pytest
from PIL import Image, ImageFilter

from fedsilo.data.emblems.gallery import arrange
from fedsilo.data.emblems.words import DOMAINS
from fedsilo.partitioning.corruption.kinds import DETERMINISTIC, KINDS, RANDOM_PER_IMAGE, RANDOM_PER_SEED, SEVERITIES
from fedsilo.partitioning.corruption.levels import length, level, seen_size

SIZES = [(1, 1), (1, 9), (8, 8), (32, 32), (64, 64), (500, 375)]


def altered(kind: str, image: Image.Image, severity: int, seed: int = 0) -> Image.Image:
    if kind in DETERMINISTIC:
        return DETERMINISTIC[kind](image, severity)
    return {**RANDOM_PER_SEED, **RANDOM_PER_IMAGE}[kind](image, severity, np.random.default_rng(seed))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=float)


def distance(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(pixels(one) - pixels(other)).mean())


def random_image(width: int, height: int, coarseness: int = 1, seed: int = 0) -> Image.Image:
    """Independent values, enlarged smoothly where coarseness is above 1."""
    shape = (-(-height // coarseness), -(-width // coarseness), 3)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def emblems() -> list[Image.Image]:
    gallery = arrange(4, DOMAINS, 1, 0, "corruption test")
    return [gallery(position) for position in range(len(gallery))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_severity_is_further_from_the_emblems_than_the_one_before(kind, emblems):
    distances = [
        np.mean([distance(altered(kind, each, severity), each) for each in emblems]) for severity in SEVERITIES
    ]
    assert distances[0] > 0.5
    assert (np.diff(distances) > 0).all(), distances


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (500, 375)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_severity_is_further_from_noise_than_the_one_before(kind, size):
    # A turned picture of small grains is as far from itself at any angle.
    coarseness = min(size) // 2 if kind == "rotation" else 1
    images = [random_image(*size, coarseness, seed) for seed in range(5)]
    distances = [
        np.mean([distance(altered(kind, image, severity, seed), image) for seed, image in enumerate(images)])
        for severity in SEVERITIES
    ]
    assert distances[0] > 0.3
    assert (np.diff(distances) > 0).all(), distances


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_size_and_mode_stay(kind, size):
    for severity in (1, 5):
        result = altered(kind, random_image(*size), severity)
        assert (result.size, result.mode) == (size, "RGB")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"noise", "impulse", "colour_cast"}))
def test_a_picture_without_colour_gets_none(kind):
    values = pixels(altered(kind, random_image(64, 64, 4).convert("L").convert("RGB"), 5))
    assert np.ptp(values, axis=2).max() <= 1


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"noise", "impulse", "fog", "brightness"}))
def test_black_stays_black(kind):
    assert pixels(altered(kind, Image.new("RGB", (40, 30)), 5)).max() <= 1  # JPEG rounds


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("kind", ["blur", "defocus", "motion", "rotation", "pixelation", "grey", "contrast"])
def test_a_flat_picture_stays_flat_up_to_its_corners(kind, value):
    flat = Image.new("RGB", (50, 37), (value, value, value))
    assert np.abs(pixels(altered(kind, flat, 5)) - value).max() <= 1


LEVELS = {32: (1, 1, 1, 1, 1), 64: (2, 2, 2, 2, 2), 224: (4, 4, 4, 4, 4)}


@pytest.mark.parametrize(
    ("side", "constant", "pixels_long"),
    [(8, 1, 0.25), (32, 1, 1), (45.2548, 1.5, 1.5), (64, 2, 2), (224, 4, 4), (448, 4, 8)],
)
def test_constants_lie_between_the_published_sizes_and_lengths_grow_with_the_picture(side, constant, pixels_long):
    image = Image.new("RGB", (900, round(side)))
    assert level(LEVELS, 3, image) == pytest.approx(constant, abs=0.01)
    assert length(LEVELS, 3, image) == pytest.approx(pixels_long, abs=0.02)


@pytest.mark.parametrize("kind", ["noise", "impulse", "blur", "defocus", "motion", "pixelation", "jpeg", "rotation"])
def test_a_model_sees_about_the_same_on_a_large_picture_as_on_its_small_copy(kind):
    large = random_image(896, 896, 16).filter(ImageFilter.GaussianBlur(4))
    small = large.resize((224, 224), Image.Resampling.BOX)
    seen = altered(kind, large, 5).resize((224, 224), Image.Resampling.BOX)
    expected = altered(kind, small, 5)
    assert distance(seen, expected) < 0.25 * distance(expected, small)


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 32), (64, 32)), ((500, 375), (299, 224)), ((448, 448), (224, 224))]
)
def test_what_a_model_sees_has_at_most_224_pixels_along_the_shorter_side(size, expected):
    assert seen_size(Image.new("RGB", size)) == expected


def test_no_kind_changes_the_image_it_is_given():
    image = random_image(40, 30)
    before = image.tobytes()
    for kind in KINDS:
        altered(kind, image, 3)
    assert image.tobytes() == before
