from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.config.schema import SECTIONS, USUAL
from fedsilo.config.starter import read_starter
from fedsilo.config.starter_text import SUITED
from fedsilo.core.errors import ScenarioError


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


def test_the_starter_refuses_a_name_that_no_folder_can_have() -> None:
    with pytest.raises(ScenarioError, match="name: must be 1 to 100 letters"):
        read_starter("a b")
