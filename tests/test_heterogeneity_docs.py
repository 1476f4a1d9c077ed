"""docs/heterogeneity.md says what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import Component, ConceptShift, FeatureShift, LabelShift, Partition, QuantityShift
from fedsilo.core.registry import find, names

PAGE = (Path(__file__).parents[1] / "docs" / "heterogeneity.md").read_text()
SHIFTS: dict[str, type[Component]] = {
    "label": LabelShift,
    "feature": FeatureShift,
    "quantity": QuantityShift,
    "concept": ConceptShift,
}


def rows() -> list[str]:
    return [
        f"| `{axis}` | `{name}` | {(find(contract, name).__doc__ or '').strip().splitlines()[0]} |"
        for axis, contract in SHIFTS.items()
        for name in names(contract)
    ]


def test_every_shift_is_in_the_table_with_its_first_line() -> None:
    table = PAGE.split("<!-- shifts -->")[1].split("<!-- end -->")[0]
    assert table.strip().splitlines()[2:] == rows()


def test_every_scheme_is_in_the_table() -> None:
    for name in set(names(Partition)) - {"composed", "manifest"}:
        assert f"`{name.replace('_', '-')}`" in PAGE


def test_the_example_is_a_partition() -> None:
    example: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
    scenario = from_mapping(example)
    assert scenario.partition.shots == 8
    assert scenario.partition.corruption.kinds == ["noise", "blur"]


@pytest.mark.parametrize("link", re.findall(r"\]\((\.\./[^)#]*|pictures/[^)]*)\)", PAGE))
def test_links_lead_somewhere(link: str) -> None:
    assert (Path(__file__).parents[1] / "docs" / link).exists()
