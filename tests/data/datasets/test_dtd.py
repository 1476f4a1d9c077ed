from fedsilo.data.datasets.dtd import Dtd
from fedsilo.data.published.labelled_images import Row


def test_train_and_val_are_trained_on_and_classes_are_sorted(tmp_path):
    (tmp_path / "labels").mkdir()
    for name, paths in (("train1", "dotted/1.jpg banded/2.jpg"), ("val1", "dotted/3.jpg"), ("test1", "zigzag/4.jpg")):
        (tmp_path / "labels" / f"{name}.txt").write_text(paths.replace(" ", "\n") + "\n")
    lists = Dtd().read_own_lists(tmp_path)
    assert lists.train == (
        Row("dotted/1.jpg", 1, "dotted"),
        Row("banded/2.jpg", 0, "banded"),
        Row("dotted/3.jpg", 1, "dotted"),
    )
    assert (lists.test, lists.unused) == ((Row("zigzag/4.jpg", 2, "zigzag"),), ())
