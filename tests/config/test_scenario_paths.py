"""How components are found, and what is said of those that cannot be scenario components."""

from __future__ import annotations

import pytest

from fedsilo.config.scenario_paths import accepts_value, find_component, find_keys
from fedsilo.config.schema import keys
from fedsilo.core.errors import UnknownComponent
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet


def test_sections_and_slots_have_components_of_the_same_names() -> None:
    assert find_component(("partition", "label"), "dirichlet") is Dirichlet
    assert find_keys(("partition", "label"), "dirichlet") == keys(Dirichlet)
    assert find_keys(("partition", "label"), "dirichlett") is None


def test_a_name_of_another_place_is_said_with_that_place() -> None:
    with pytest.raises(UnknownComponent, match=r"It is a label shift: write partition\.label: dirichlet\."):
        find_component(("partition",), "dirichlet")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lab.odd.raises:Any", "cannot be imported: RuntimeError: no such luck"),
        ("lab.odd.broken:Any", "cannot be imported: SyntaxError"),
        ("lab.odd.leaves:Any", "cannot be imported: SystemExit: 3"),
        ("lab.odd.plain_class:Plain", "is not a dataclass, so it has no scenario keys. Decorate it."),
        ("lab.odd.strange:Strange", "has a field that cannot be a scenario key: "),
    ],
)
@pytest.mark.usefixtures("components")
def test_a_class_that_cannot_be_a_component_is_refused_with_the_reason(name: str, words: str) -> None:
    with pytest.raises(UnknownComponent) as caught:
        find_component(("method",), name)
    assert name in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("components")
def test_a_component_accepts_its_keys_and_of_words_only_its_own() -> None:
    known = find_keys(("data",), "folder")
    assert known is not None
    assert accepts_value(known, "ratio", "anything")
    assert accepts_value(known, "style", "square")
    assert not accepts_value(known, "style", "round")
    assert not accepts_value(known, "classes", 3)
