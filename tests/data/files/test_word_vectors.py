"""Vectors of words from a GloVe file, and what is said of a file that does not serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsilo.core.errors import DataError
from fedsilo.data.files.word_vectors import RENAMED, read_word_vectors

LINES = "fake 1 0\nfur 0 1\nfaux 9 9\nt-shirt 5 5\nred 2 0\nbox 0 4\nsneakers 3 3\n"


@pytest.fixture
def glove(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_text(LINES)
    return path


def test_names_of_several_words_get_the_mean(glove: Path) -> None:
    found = read_word_vectors(glove, ["red", "Red_box", "red box", "T-shirt"])
    assert found.tolist() == [[2, 0], [1, 2], [1, 2], [5, 5]]
    assert found.dtype == np.float32


def test_names_that_the_field_renames(glove: Path) -> None:
    found = read_word_vectors(glove, ["Faux.Fur", "faux fur", "Shoes.Sneakers.and.Athletic.Shoes"])
    assert found.tolist() == [[0.5, 0.5], [0.5, 0.5], [3, 3]]
    assert len(RENAMED) == 20
    assert (RENAMED["nubuck"], RENAMED["faux fur"]) == ("grainy leather", "fake fur")


def test_a_word_that_is_missing_is_named(glove: Path) -> None:
    with pytest.raises(DataError, match=r"glove\.txt: has no vector for 'green', 'house'\. .*task\.feasibility=clip"):
        read_word_vectors(glove, ["red", "green house"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("red 1 x\n", "line 1: is not a word with its numbers"),
        ("box 1 2\nred 0 0\n", "line 2: is not a word with its numbers"),
        ("red nan 1\n", "line 1: is not a word"),
        ("red 1 2\nbox 1 2 3\n", "2 to 3 numbers"),
        ("red 1e30 1\nbox 1 2\n", "line 1: is not a word"),  # its square is infinite
        ("red 1e-30 0\nbox 1 2\n", "line 1: is not a word"),  # its square is zero
    ],
)
def test_a_damaged_file_is_one_line(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text(text)
    with pytest.raises(DataError, match=why):
        read_word_vectors(tmp_path / "glove.txt", ["red", "box"])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("up down", r"words of 'up down' add up to zero"),
        ("-", r"has no vector for '-'"),
        ("_", r"has no vector for '_'"),
    ],
)
def test_a_name_without_a_direction_is_one_line(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text("up 0 1\ndown 0 -1\nred 1 0\n")
    with pytest.raises(DataError, match=why):
        read_word_vectors(tmp_path / "glove.txt", ["red", name])


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"task\.glove"):
        read_word_vectors(tmp_path / "none.txt", ["red"])
