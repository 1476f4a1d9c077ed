"""Pictures for training."""

import numpy as np

from fedsilo.data.emblems.words import DOMAINS
from fedsilo.models.pretraining.training_images import choose_emblems, is_seen, shift_randomly


def test_pictures_leave_classes_out_of_some_domains():
    missing = {name: sum(not is_seen(label, at) for label in range(24)) for at, name in enumerate(DOMAINS)}
    assert missing == {"photo": 0, "sketch": 0, "blueprint": 0, "neon": 0, "mosaic": 16, "watercolour": 16}
    assert all(is_seen(emblem.label, emblem.domain) for emblem in choose_emblems(600, 0))


def test_shifting_moves_by_four_pixels_at_most():
    pictures = np.zeros((20, 64, 64, 3), dtype=np.uint8)
    pictures[:, 32, 32] = 255
    row, column = np.argwhere(shift_randomly(pictures, np.random.default_rng(0))[..., 0])[:, 1:].T
    assert set(np.abs(row - 32)) <= {0, 1, 2, 3, 4}
    assert len(set(column)) > 3
