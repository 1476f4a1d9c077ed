import numpy as np

from fedsilo.partitioning.corruption.pixel_grid import convolve


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
