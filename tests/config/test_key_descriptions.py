"""What `fedsilo describe` and `fedsilo new` say is what the reader takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedsilo.config.dumping import to_mapping
from fedsilo.config.key_descriptions import Description, describe, kinds
from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.config.schema import CONTRACTS, SECTIONS, SLOTS, USUAL
from fedsilo.config.starter import FILE, read_starter
from fedsilo.config.starter_text import SUITED, compose
from fedsilo.core import registry
from fedsilo.core.errors import ScenarioError, UnknownComponent


@pytest.mark.usefixtures("components")
def test_the_sections_come_with_their_usual_component() -> None:
    rows = describe()
    assert rows == describe("scenario")
    assert [row.key for row in rows] == ["name", "seed", *SECTIONS]
    method = next(row for row in rows if row.key == "method")
    assert (method.default, method.allowed) == ("promptfl", "fedotp, local, promptfl, zero_shot")


@pytest.mark.usefixtures("components")
def test_a_component_is_described_by_its_fields() -> None:
    assert describe("method", "fedotp") == [
        Description("method.name", "name", "fedotp", "fedotp", "Two prompts, balanced by transport."),
        Description("method.context_length", "whole number", "16", ">= 1", "Context vectors."),
        Description("method.mass", "number", "0.8", "in (0, 1]", "Transported part."),
    ]
    assert describe("privacy", "central")[0].key == "privacy.mode"
    assert describe("data", "folder")[1:] == [
        Description("data.root", "text", "", "", ""),
        Description("data.ratio", "number", "0.8", "", ""),
        Description("data.sizes", "mapping", "{}", "", "Pixels by domain."),
        Description("data.crop", "list of 2 whole numbers or null", "null", "", "Height and width."),
        Description("data.style", "word", "plain", "plain, square", "How they are cut."),
        Description("data.limit", "whole number or text", "all", "", "Images, or 'all'."),
    ]


@pytest.mark.usefixtures("components")
def test_components_of_a_kind_are_listed() -> None:
    rows = describe("methods")
    assert [row.key for row in rows] == ["fedotp", "local", "promptfl", "zero_shot"]
    assert rows[0] == Description("fedotp", "method", "", "context_length, mass", "Two prompts, balanced by transport.")
    assert describe("datasets") == describe("dataset") == describe("data")
    assert describe("mechanism") == describe("privacy")


@pytest.mark.usefixtures("components")
def test_a_broken_component_is_listed_with_what_is_wrong(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PACKAGES, CONTRACTS["method"], "lab.odd")
    assert "RuntimeError: no such luck" in next(row.meaning for row in describe("method") if row.key == "raises")


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("traning", None, "no kind 'traning' to describe. Did you mean 'training'? Available: scenario, data, "),
        ("method", "fedopt", "no method 'fedopt'. Did you mean 'fedotp'? Available: fedotp, local, "),
        ("training", "x", "'training' has no names to choose from, so no 'x'. Ask for 'training' alone."),
    ],
)
@pytest.mark.usefixtures("components")
def test_unknown_kinds_and_names_are_answered_with_the_nearest(kind: str, name: str | None, message: str) -> None:
    with pytest.raises(UnknownComponent, match=re.escape(message)):
        describe(kind, name)


def test_every_shipped_key_has_a_meaning_and_a_readable_default() -> None:
    for kind in kinds():
        for row in describe(kind):
            assert row.meaning.strip(), f"{kind}: {row.key}"
            assert "cannot be" not in row.meaning
    for section in CONTRACTS:
        for component in describe(section):
            for row in describe(section, component.key)[1:]:
                assert row.meaning.strip(), row.key
                assert row.type, row.key


def test_the_described_defaults_are_those_of_an_empty_scenario() -> None:
    flat = _flat(to_mapping(from_mapping({})))
    rows = [row for section in SECTIONS for row in describe(section, USUAL.get(section)) if "<" not in row.key]
    assert [row.key for row in rows] == [key for key in flat if key not in ("name", "seed")]
    assert from_mapping({}, [f"{row.key}={row.default}" for row in rows if row.default != "''"]) == from_mapping({})


def _flat(values: dict[str, object], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in values.items():
        nested = isinstance(value, dict) and value and (prefix[:-1], key) not in SLOTS
        keys += _flat(value, f"{prefix}{key}.") if nested else [f"{prefix}{key}"]  # type: ignore[arg-type]
    return keys


def test_the_starter_is_valid_as_it_is_and_with_its_comments_taken_away(tmp_path: Path) -> None:
    text = read_starter("my-study")
    (tmp_path / "s.yaml").write_text(text)
    scenario = read(tmp_path / "s.yaml")
    assert scenario.name == "my-study"
    assert scenario == from_mapping({"name": "my-study", **USUAL, **SUITED}, [f"{k}={v}" for k, v in SUITED.items()])
    head, _, rest = text.partition("Take the first '# ' away to change it.\n#\n")
    full = head + "\n" + re.sub(r"^# ", "", rest, flags=re.MULTILINE)
    (tmp_path / "s.yaml").write_text(full)
    assert read(tmp_path / "s.yaml") == scenario
    assert {f"\n{section}:" in "\n" + full for section in SECTIONS} == {True}


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


def test_the_starter_refuses_a_name_that_no_folder_can_have() -> None:
    with pytest.raises(ScenarioError, match="name: must be 1 to 100 letters"):
        read_starter("a b")
