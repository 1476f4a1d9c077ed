"""What the fields of a section's dataclass say as keys."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import pytest

from fedsilo.config.schema import (
    NAMED,
    SECTIONS,
    USUAL,
    assemble_class,
    keys,
    original_class,
    selector,
    slots,
)
from fedsilo.core.config_fields import key
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet


@dataclass(frozen=True)
class Section:
    """Keys of every kind."""

    needed: int
    rounds: int = key(3, "How often.", within=">= 1")
    share: float | None = key(None, "How much.", within="in (0, 1]")
    word: str = key("a", "Which.", "a", "b")
    either: int | str = key("all", "Images, or 'all'.", "all", within=">= 0")
    mode: Literal["x", "y"] = "x"
    names: list[str] = key(list, "Who.")
    made: int = dataclasses.field(default=0, init=False)


def test_keys_are_the_fields_that_can_be_given_in_their_order() -> None:
    found = keys(Section)
    assert list(found) == ["needed", "rounds", "share", "word", "either", "mode", "names"]
    assert found["needed"].default is dataclasses.MISSING
    assert (found["rounds"].default, found["rounds"].meaning, found["names"].default) == (3, "How often.", [])
    assert found["mode"].type is str
    assert keys(Section) is found


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("needed", "a whole number"),
        ("rounds", "a whole number >= 1"),
        ("share", "a number in (0, 1] or null"),
        ("word", "one of a, b"),
        ("either", "a whole number >= 0 or all"),
    ],
)
def test_what_is_expected_is_a_phrase(name: str, words: str) -> None:
    assert keys(Section)[name].expected == words


def test_a_class_with_components_in_its_slots_has_their_keys_and_remembers_its_own() -> None:
    usual = {slot: keys(ComposedPartition)[slot].usual for slot in slots(ComposedPartition)}
    assert usual == {"label": "iid", "feature": "none", "quantity": "natural", "concept": "none"}
    made = assemble_class(ComposedPartition, {"label": Dirichlet})
    assert keys(made)["label"].type is Dirichlet
    assert original_class(made) is ComposedPartition
    assert assemble_class(ComposedPartition, {"label": Dirichlet}) is made
    assert assemble_class(ComposedPartition, {}) is original_class(ComposedPartition) is ComposedPartition


def test_every_section_that_names_a_component_has_a_usual_one_and_only_privacy_has_a_mode() -> None:
    assert {path[0] for path in NAMED} == set(USUAL) <= set(SECTIONS)
    assert [path for path in NAMED if selector(path[-1]) != "name"] == [("privacy",)]
