"""Lines of the ledger: appended, read back, repaired where a crash cut the last one off, refused otherwise."""

import json
from pathlib import Path

import pytest

from fedsilo.core.errors import RunError
from fedsilo.privacy.ledger_lines import LEDGER, LedgerEntry, append_entry, read_entries

FIRST = LedgerEntry(0, 0, 0, (0, 2), "abc", "noise 2")
SECOND = LedgerEntry(0, 1, 1, (0, 2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with two lines."""
    for entry in (FIRST, SECOND):
        append_entry(tmp_path / LEDGER, entry)
    return tmp_path / LEDGER


def test_lines_come_back_as_they_were_appended(path: Path) -> None:
    assert read_entries(path) == [FIRST, SECOND]
    assert json.loads(path.read_text().splitlines()[0]) == {
        "round": 0,
        "exchange": 0,
        "attempt": 0,
        "clients": [0, 2],
        "start": "abc",
        "arithmetic": "noise 2",
    }
    assert read_entries(path.with_name("none.jsonl")) == []


def test_a_line_of_an_older_version_has_no_start(tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_text('{"round":3,"exchange":0,"attempt":0,"clients":[1]}\n')
    assert read_entries(tmp_path / LEDGER) == [LedgerEntry(3, 0, 0, (1,), "", "")]


def test_a_last_line_that_was_cut_off_is_removed(path: Path) -> None:
    whole = path.read_bytes()
    for cut in (1, 9, 40):
        path.write_bytes(whole + whole.splitlines()[0][:cut])
        assert read_entries(path) == [FIRST, SECOND]
        assert path.read_bytes() == whole


def test_a_last_line_that_lacks_its_newline_counts_and_gets_it_back(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert read_entries(path) == [FIRST, SECOND]
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "[]",
        "no json",
        '{"round":-1,"exchange":0,"attempt":0,"clients":[1]}',
        '{"round":true,"exchange":0,"attempt":0,"clients":[1]}',
        '{"round":0,"exchange":0.0,"attempt":0,"clients":[1]}',
        '{"round":0,"exchange":0,"attempt":0,"clients":[1,1]}',
        '{"round":0,"exchange":0,"attempt":0,"clients":[1],"start":7}',
        "[" * 100_000,
    ],
)
def test_any_other_line_that_is_no_charge_is_refused_by_its_number(path: Path, line: str) -> None:
    content = path.read_text() + line + "\n" + path.read_text()
    path.write_text(content)
    with pytest.raises(RunError, match=r"is damaged: line 3, .* is no charge. Put the file back") as caught:
        read_entries(path)
    assert str(path) in str(caught.value)
    assert path.read_text() == content


def test_a_charge_of_a_client_that_trains_on_nothing_is_refused(path: Path) -> None:
    assert len(read_entries(path, {0, 1, 2})) == 2
    with pytest.raises(RunError, match="charges client 2, which trains on nothing"):
        read_entries(path, {0, 1})


def test_what_cannot_be_read_or_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot be written: .* Free space, then resume"):
        append_entry(tmp_path / "missing" / LEDGER, FIRST)
    (tmp_path / LEDGER).mkdir()
    with pytest.raises(RunError, match="cannot be read"):
        read_entries(tmp_path / LEDGER)
