import numpy as np
from PIL import Image, ImageFilter

from fedsilo.partitioning.corruption.lens import blur, motion, rotation


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=float)


def random_image(width: int, height: int, coarseness: int = 1, seed: int = 0) -> Image.Image:
    """Independent values, enlarged smoothly where coarseness is above 1."""
    shape = (-(-height // coarseness), -(-width // coarseness), 3)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


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


def test_blur_is_pillow_s_at_the_published_deviation():
    image = random_image(32, 32)
    assert blur(image, 5).tobytes() == image.filter(ImageFilter.GaussianBlur(1.0)).tobytes()
