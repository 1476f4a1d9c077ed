import numpy as np
import pytest

from fedsilo.data.emblems.plates import Pose, draw_pose, make_plates, make_texture
from fedsilo.data.emblems.words import CLASSES, TEXTURES

STEADY = Pose(24.0 * np.eye(2), np.array([32.0, 32.0]), np.zeros((2, 4)))
HEART = CLASSES.index("heart")


def plates(pose=STEADY, line_width=0.0, texture=0):
    return make_plates(HEART, texture, pose, line_width, np.random.default_rng(0))


def test_a_steady_pose_is_an_affine_map():
    pose = Pose(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([10.0, 20.0]), np.zeros((2, 4)))
    assert pose.place(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])).tolist() == [[10, 20], [12, 20], [11, 23]]


def test_a_trembling_hand_stays_within_the_sum_of_its_waves():
    points = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    tremble = np.stack([np.full(4, 0.5), np.arange(4.0)])
    moved = np.abs(Pose(STEADY.matrix, STEADY.centre, tremble).place(points) - STEADY.place(points))
    assert 0.5 < moved.max() <= 2 * 0.5


def test_drawn_poses_have_sizes_in_the_range_lie_on_the_page_and_half_of_them_are_mirrored():
    poses = [draw_pose(np.random.default_rng(seed), (14.0, 22.0), 0.0) for seed in range(200)]
    determinants = np.array([np.linalg.det(pose.matrix) for pose in poses])
    sizes = np.sqrt(np.abs(determinants))
    assert sizes.min() >= 14
    assert sizes.max() <= 22
    assert (determinants < 0).mean() == pytest.approx(0.5, abs=0.12)
    centres = np.stack([pose.centre for pose in poses])
    assert np.abs(centres - 32).max() <= 0.9 * (32 - 14)
    assert not any(pose.wobble[0].any() for pose in poses)


def test_the_silhouette_moves_with_its_pose():
    moved = Pose(STEADY.matrix, STEADY.centre + np.array([3.0, -5.0]), STEADY.wobble)
    assert np.array_equal(plates(moved).body[:50, 6:], plates().body[5:55, 3:61])


def test_lines_lie_around_the_silhouette_and_only_where_they_are_drawn():
    assert not plates().lines.any()
    drawn = plates(line_width=1.5)
    assert np.array_equal(drawn.body, plates().body)
    assert drawn.lines.max() == 1
    assert drawn.lines[drawn.body == 1].max() == 0, "inside"
    thick = plates(line_width=3.0)
    assert thick.lines.sum() > 1.7 * drawn.lines.sum()


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_covers_a_part_of_the_page(name):
    texture = make_texture(name, np.random.default_rng(1))
    assert texture.shape == (64, 64)
    assert (texture.min(), texture.max()) == (0, 0 if name == "plain" else 1)
    assert name == "plain" or 0.1 < texture.mean() < 0.65
