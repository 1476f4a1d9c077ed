from __future__ import annotations

import pytest

from fedsilo.config.key_descriptions import Description, describe
from fedsilo.config.schema import CONTRACTS, SECTIONS, USUAL
from fedsilo.config.starter import FILE, read_starter
from fedsilo.config.starter_text import compose


def test_the_starter_knows_every_key_and_fits_on_a_screen() -> None:
    text = read_starter()
    for section in SECTIONS:
        for row in describe(section, USUAL.get(section)):
            assert "<" in row.key or f"{row.key.rpartition('.')[2]}: " in text, row.key
    assert max(map(len, text.splitlines())) <= 120
    assert not any(line != line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("kind", sorted(CONTRACTS))
def test_the_starter_fits_on_a_screen_with_any_number_of_components(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def many(section: str | None = None, name: str | None = None) -> list[Description]:
        rows = describe(section, name)
        more = [Description(f"another_component_{n}", "", "", "", "One more.") for n in range(40)]
        return [*rows, *more] if section == kind and name is None else rows

    monkeypatch.setattr("fedsilo.config.starter_text.describe", many)
    text = compose()
    assert max(map(len, text.splitlines())) <= 120
    assert all(f"another_component_{n}" in text for n in range(40))


def test_the_starter_s_file_is_what_the_descriptions_make() -> None:
    assert FILE.read_text() == compose(), "write it again: python -m fedsilo.config.starter_text"
    assert read_starter("other-study") == compose().replace("my-study", "other-study")
