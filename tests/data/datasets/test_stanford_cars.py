import numpy as np
from scipy.io import savemat

from fedsilo.data.datasets.stanford_cars import StanfordCars
from fedsilo.data.published.labelled_images import Row

FIELDS = [("class", object), ("fname", object)]


def test_names_begin_with_the_year_and_a_list_of_one_image_is_one(tmp_path):
    (tmp_path / "devkit").mkdir()
    names = np.array([["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"]], dtype=object)
    savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": names})
    for file, rows in (
        ("devkit/cars_train_annos.mat", [(2, "00001.jpg"), (1, "00002.jpg")]),
        ("cars_test_annos_withlabels.mat", [(2, "00001.jpg")]),
    ):
        savemat(tmp_path / file, {"annotations": np.array([rows], dtype=FIELDS)})
    lists = StanfordCars().read_own_lists(tmp_path)
    assert lists.train == (
        Row("cars_train/00001.jpg", 1, "2012 Ram C/V Cargo Van Minivan"),
        Row("cars_train/00002.jpg", 0, "2000 AM General Hummer SUV"),
    )
    assert lists.test == (Row("cars_test/00001.jpg", 1, "2012 Ram C/V Cargo Van Minivan"),)
