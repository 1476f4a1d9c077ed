"""The table of a prediction, from scores."""

from __future__ import annotations

import math

import pytest
import torch

from fedsilo.core.batch import named
from fedsilo.report.results.prediction import table_of

CLASSES = ("cat", "dog", "eel")


def test_the_best_and_the_next_best_class_are_first_and_second_by_score() -> None:
    table = table_of(torch.log(torch.tensor([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6], [0.5, 0.1, 0.4]])), named(CLASSES))
    assert table["class"].tolist() == ["dog", "eel", "cat"]
    assert table["next_best"].tolist() == ["cat", "dog", "eel"]
    assert table["probability"].tolist() == pytest.approx([0.7, 0.6, 0.5], rel=1e-6)
    assert table["p(eel)"].tolist() == pytest.approx([0.1, 0.6, 0.4], rel=1e-6)


def test_with_one_class_it_is_its_own_next_best() -> None:
    (row,) = table_of(torch.tensor([[math.pi]]), named(("cat",))).to_dict("records")
    assert (row["class"], row["next_best"], row["probability"]) == ("cat", "cat", 1.0)
