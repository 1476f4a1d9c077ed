import numpy as np
from scipy.io import savemat

from fedsilo.data.datasets.oxford_flowers import NAMES, OxfordFlowers
from fedsilo.data.published.labelled_images import Row


def test_there_are_102_different_names():
    assert len(set(NAMES)) == len(NAMES) == OxfordFlowers.card.classes == 102
    assert (NAMES[0], NAMES[-1]) == ("pink primrose", "blackberry lily")


def test_images_are_numbered_from_one_and_train_and_valid_are_trained_on(tmp_path):
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([[3, 1, 102, 2, 1]], dtype=np.uint8)})
    numbers = {"trnid": [[5, 1]], "valid": [[2, 4]], "tstid": [[3, 1]]}
    savemat(tmp_path / "setid.mat", {key: np.array(value, dtype=np.uint16) for key, value in numbers.items()})
    lists = OxfordFlowers().read_own_lists(tmp_path)
    assert [(row.path, row.label) for row in lists.train] == [
        ("image_00005.jpg", 0),
        ("image_00001.jpg", 2),
        ("image_00002.jpg", 0),
        ("image_00004.jpg", 1),
    ]
    assert lists.test[0] == Row("image_00003.jpg", 101, "blackberry lily")
