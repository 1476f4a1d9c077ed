from pathlib import Path

import pytest

from fedsilo.core.errors import RunError
from fedsilo.storage.run_folder import (
    CLIENTS,
    ROUNDS,
    Journals,
    create_run_folder,
    find_run_folder,
    read_json,
    read_lines,
    write_json,
)


def test_two_runs_started_at_once_get_two_folders(tmp_path: Path) -> None:
    folders = {create_run_folder(tmp_path / "runs", "quick") for _ in range(5)}
    assert len(folders) == 5
    assert all(folder.is_dir() for folder in folders)


def test_a_root_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError, match=r"tracking\.root"):
        create_run_folder(tmp_path / "runs", "quick")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run"):
        find_run_folder(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"no scenario\.yaml"):
        find_run_folder(tmp_path)


def test_lines_appear_with_the_commit_and_not_before(tmp_path: Path) -> None:
    journals = Journals(tmp_path)
    journals.add(ROUNDS, {"round": 0})
    assert read_lines(tmp_path / ROUNDS) == []
    journals.commit()
    journals.add(ROUNDS, {"round": 1})
    journals.discard()
    journals.commit()
    assert read_lines(tmp_path / ROUNDS) == [{"round": 0}]


def recorded(folder: Path, rounds: int) -> Journals:
    """Journals of so many rounds, each with an evaluation of two clients."""
    journals = Journals(folder)
    for number in range(rounds):
        journals.add(ROUNDS, {"round": number, "local_accuracy": 0.5})
        for client in (0, 1):
            journals.add(CLIENTS, {"round": number, "client": client})
    journals.commit(sync=True)
    return journals


def test_rewinding_drops_later_rounds_and_a_torn_last_line(tmp_path: Path) -> None:
    journals = recorded(tmp_path, 4)
    with (tmp_path / ROUNDS).open("a") as file:
        file.write('{"round": 4, "loss"')
    journals.rewind(2)
    assert [line["round"] for line in read_lines(tmp_path / ROUNDS)] == [0, 1]
    assert [line["round"] for line in read_lines(tmp_path / CLIENTS)] == [0, 0, 1, 1]


@pytest.mark.parametrize("journal", [ROUNDS, CLIENTS])
@pytest.mark.parametrize("damage", ["{garbage", "\xff\xfe", "[1]", "null", '{"round": "x"}', ""])
def test_journals_that_lack_an_earlier_record_are_refused_and_not_averaged(
    tmp_path: Path, journal: str, damage: str
) -> None:
    journals, path = recorded(tmp_path, 4), tmp_path / journal
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], damage, *lines[2:]]) + "\n", encoding="latin-1")
    before = path.read_bytes()
    with pytest.raises(RunError, match=rf"{journal}: records of rounds before 3 are missing .*checkpoints"):
        journals.rewind(3)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(RunError, match=journal):
        journals.rewind(3)
    journals.rewind(0)
    assert read_lines(tmp_path / ROUNDS) == []


def test_what_is_not_a_number_is_null_since_json_has_no_word_for_it(tmp_path: Path) -> None:
    journals = Journals(tmp_path)
    journals.add(ROUNDS, {"round": 0, "loss": float("nan"), "of": [1.5, {"a": float("inf")}]})
    journals.commit()
    assert read_lines(tmp_path / ROUNDS) == [{"round": 0, "loss": None, "of": [1.5, {"a": None}]}]


def test_a_damaged_document_is_refused_in_one_line(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": 1})
    assert read_json(tmp_path / "a.json") == {"x": 1}
    for text in ("{", "[]", "\xff"):
        (tmp_path / "a.json").write_text(text, encoding="latin-1")
        with pytest.raises(RunError, match=r"a\.json"):
            read_json(tmp_path / "a.json")


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    journals = Journals(tmp_path / "gone")
    journals.add(ROUNDS, {"round": 0})
    with pytest.raises(RunError, match=r"cannot be written: .* then resume"):
        journals.commit()
