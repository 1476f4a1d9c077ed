"""What `fedsilo describe` and `fedsilo new` say is what the reader takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedsilo.config.dumping import to_mapping
from fedsilo.config.key_descriptions import Description, describe, kinds
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.config.schema import CONTRACTS, SECTIONS, SLOTS, USUAL
from fedsilo.core import registry
from fedsilo.core.errors import UnknownComponent


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
