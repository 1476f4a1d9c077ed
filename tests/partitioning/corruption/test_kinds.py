import numpy as np
import pytest
from PIL import Image, ImageFilter

from fedsilo.data.emblems.gallery import arrange
from fedsilo.data.emblems.words import DOMAINS
from fedsilo.partitioning.corruption.kinds import DETERMINISTIC, KINDS, RANDOM_PER_IMAGE, RANDOM_PER_SEED, SEVERITIES
from fedsilo.partitioning.corruption.lens import blur, motion, rotation
from fedsilo.partitioning.corruption.levels import length, level, seen_size
from fedsilo.partitioning.corruption.light import brightness, colour_cast, contrast, fog, grey
from fedsilo.partitioning.corruption.pixel_grid import convolve
from fedsilo.partitioning.corruption.sensor import impulse, noise

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


def test_noise_has_the_deviation_it_says():
    grey_picture = Image.new("RGB", (224, 224), (128, 128, 128))
    result = pixels(noise(grey_picture, 1, np.random.default_rng(0))) - 128
    assert result.std() / 255 == pytest.approx(0.08, rel=0.02)
    assert abs(result.mean()) < 0.2


def test_so_many_values_are_dead_half_of_them_black():
    result = pixels(impulse(Image.new("RGB", (224, 224), (100, 100, 100)), 5, np.random.default_rng(0)))
    assert (result == 0).mean() == pytest.approx(0.135, abs=0.005)
    assert (result == 255).mean() == pytest.approx(0.135, abs=0.005)


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


def test_rotation_turns_about_the_middle_by_its_angle():
    picture = Image.new("RGB", (65, 65))
    picture.putpixel((32, 32), (255, 255, 255))
    picture.paste("white", (51, 31, 54, 34))
    both = set()
    for seed in range(6):
        values = pixels(rotation(picture, 3, np.random.default_rng(seed)))[:, :, 0]
        rows, columns = np.nonzero(values > 60)
        away = (rows - 32) ** 2 + (columns - 32) ** 2 > 100
        down, right = rows[away].mean() - 32, columns[away].mean() - 32
        both.add(round(np.rad2deg(np.arctan2(down, right)) / 5) * 5)
        assert values[32, 32] > 100
    assert both == {-30, 30}


def test_motion_spreads_along_one_line_and_does_not_move_the_picture():
    picture = Image.new("RGB", (65, 65))
    picture.paste("white", (31, 31, 34, 34))
    values = pixels(motion(picture, 5, np.random.default_rng(1)))[:, :, 0]
    rows, columns = (axis - 32 for axis in np.mgrid[0:65, 0:65])
    assert abs((values * rows).sum() / values.sum()) < 0.25
    assert abs((values * columns).sum() / values.sum()) < 0.25
    spread = np.cov(np.stack([rows.ravel(), columns.ravel()]), aweights=values.ravel())
    narrow, wide = np.linalg.eigvalsh(spread)
    assert wide > 4 * narrow


def test_a_convolution_is_the_mean_of_mirrored_surroundings():
    generator = np.random.default_rng(0)
    picture, kernel = generator.random((7, 5, 3)).astype(np.float32), generator.random((5, 5)).astype(np.float32)
    kernel /= kernel.sum()
    mirrored = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
    expected = np.zeros_like(picture)
    for down in range(5):
        for over in range(5):
            expected += kernel[4 - down, 4 - over] * mirrored[down : down + 7, over : over + 5]
    assert np.abs(convolve(picture, kernel) - expected).max() < 1e-5


def test_fog_hides_more_and_is_never_brighter_than_the_picture():
    image = random_image(64, 64, 8).point(lambda value: value // 2)
    results = [pixels(fog(image, severity, np.random.default_rng(0))) for severity in SEVERITIES]
    left = [np.corrcoef(result.ravel(), pixels(image).ravel())[0, 1] for result in results]
    assert left == sorted(left, reverse=True)
    assert max(result.max() for result in results) <= pixels(image).max() + 1


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


def test_blur_is_pillow_s_at_the_published_deviation():
    image = random_image(32, 32)
    assert blur(image, 5).tobytes() == image.filter(ImageFilter.GaussianBlur(1.0)).tobytes()


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
