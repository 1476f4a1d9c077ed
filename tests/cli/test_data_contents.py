"""Contents of a data set, of images made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from fedsilo.cli.data_contents import describe_classes, describe_images
from fedsilo.core import Examples, LabelledImages


def part(labels: list[int], domains: list[int]) -> Examples:
    fetch: Any = None
    return Examples(np.array(labels), np.array(domains), fetch, tuple(map(str, range(len(labels)))))


def test_images_are_counted_by_domain_and_by_class() -> None:
    train, test = part([0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 1, 1]), part([0, 1, 1], [0, 0, 1])
    found = describe_images("made", LabelledImages(("a", "b", "c"), ("x", "y"), "a {}", train, test), 9)
    assert found["domains"] == [{"name": "x", "train": 2, "test": 2}, {"name": "y", "train": 4, "test": 1}]
    assert (found["train_per_class"], found["test_per_class"]) == ([1, 3], [0, 2])  # class c has no test image
    assert (found["files"], found["bytes"], found["decoded"]) == (0, 0, 9)  # images that are no single files


def test_of_many_classes_twelve_are_named() -> None:
    document = {"train_per_class": [1, 2000], "test_per_class": [3, 4], "groups": 0}
    first, second = describe_classes({**document, "classes": [f"c{n}" for n in range(14)]}).splitlines()
    assert first.startswith("14 classes: c0, ")
    assert first.endswith(", c11, ... and 2 more")
    assert second == "images of a class: 1 to 2,000 for training, 3 to 4 for testing"
    few = describe_classes({**document, "classes": ["a", "b"], "groups": 1})
    assert few.startswith("2 classes, in 1 superclasses: a, b\n")
