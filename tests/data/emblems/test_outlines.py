import numpy as np

from fedsilo.data.emblems.outlines import LAYERS, SHAPES
from fedsilo.data.emblems.plates import Pose, make_plates
from fedsilo.data.emblems.words import CLASSES

STEADY = Pose(24.0 * np.eye(2), np.array([32.0, 32.0]), np.zeros((2, 4)))


def silhouette(label: int) -> np.ndarray:
    return make_plates(label, 0, STEADY, 0.0, np.random.default_rng(0)).body


def test_every_class_has_a_shape_that_fits_its_frame():
    assert set(LAYERS) == set(CLASSES)
    for layers in SHAPES:
        points = np.concatenate([outline for layer in layers for outline in layer.outlines])
        assert np.abs(points).max() <= 1.12
        assert (np.ptp(points, axis=0) >= 0.85).all()


def test_no_two_classes_look_alike():
    shapes = np.stack([silhouette(label) for label in range(len(CLASSES))])
    overlap = np.minimum(shapes[:, None], shapes[None]).sum((2, 3)) / np.maximum(shapes[:, None], shapes[None]).sum(
        (2, 3)
    )
    assert (overlap - np.eye(len(CLASSES))).max() < 0.8
