"""Which rows of a comparison may be compared, and what differs between them."""

from tests.report.conftest import Shelf

from fedsilo.report.results.comparison_rows import compare_entries
from fedsilo.report.terminal.comparison_table import list_titles


def test_different_partitions_for_one_seed_get_letters_and_floors_of_their_own(run: Shelf) -> None:
    runs = [run("local", 0, 0.5), run("local", 1, 0.5), run("promptfl", 0, 0.6, split="other")]
    found = compare_entries("t", runs)
    assert found.grounds == ("A", "B")
    assert [(row.method, row.ground) for row in found.rows] == [
        ("chance", "A"), ("zero_shot", "A"), ("chance", "B"), ("zero_shot", "B"), ("local", "A"), ("promptfl", "B"),
    ]  # fmt: skip
    assert list_titles(found)[1] == "ground"
    assert any("compare only those with the same letter" in note for note in found.notes)
    assert not any("same partition for the same seed" in note for note in found.notes)


def test_other_candidates_are_another_ground(run: Shelf) -> None:
    """The open world on the same images has other zero-shot numbers than the closed one."""
    closed, opened = ({"data_json": {"candidates_sha256": world}} for world in ("c", "o"))
    found = compare_entries("t", [run("local", 0, 0.5, **closed), run("promptfl", 0, 0.6, **opened)])
    assert [row.ground for row in found.rows if row.method == "zero_shot"] == ["A", "B"]
    assert any("candidates" in note and "same letter" in note for note in found.notes)
    assert compare_entries("t", [run("local", 1, 0.5, **closed), run("promptfl", 1, 0.6, **closed)]).grounds == ("A",)


def test_rows_with_other_seeds_stand_on_the_same_ground(run: Shelf) -> None:
    assert compare_entries("t", [run("local", 0, 0.5), run("promptfl", 1, 0.5)]).grounds == ("A",)


def test_headlines_over_different_numbers_of_rounds_and_mixed_versions_are_said(run: Shelf) -> None:
    notes = compare_entries("t", [run("local", 0, 0.5), run("promptfl", 0, 0.5, last=10, torch="2.8")]).notes
    assert (
        "every number but best* is a mean over the last evaluated rounds, not as many for all: 5 for local; "
        in notes[0]
    )
    assert "runs were made with different versions: torch 2.8, 2.9." in notes


def test_methods_that_synchronise_differently_are_told(run: Shelf) -> None:
    found = compare_entries("t", [run("dpfpl", 0, 0.5), run("promptfl", 0, 0.6), run("local", 0, 0.7)])
    (line,) = [note for note in found.notes if note.startswith("not the same for all methods")]
    assert line == "not the same for all methods: method.synchronise is batch for dpfpl; round for promptfl, local."
