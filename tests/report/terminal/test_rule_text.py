"""A partition's rule on one line."""

from __future__ import annotations

from typing import Any

import pytest

from fedsilo.config.dumping import describe_component
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.report.terminal.rule_text import rule_text


def test_a_rule_is_what_differs_from_the_defaults() -> None:
    usual = Dirichlet().beta
    resolved = {"test": "client"}  # what a manifest has in the place of "auto"
    rule = describe_component(ComposedPartition(7, label=Dirichlet(usual + 0.25), feature=Domains()))
    assert rule_text(rule | resolved) == f"clients 7, label dirichlet (beta {usual + 0.25}), feature domains"
    plain = describe_component(ComposedPartition(7, label=Dirichlet()))
    assert rule_text(plain | resolved) == "clients 7, label dirichlet"
    assert rule_text(plain | {"test": "global"}).startswith("test global, ")


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({"name": "composed"}, "composed"),
        ({"name": "gone", "clients": 3, "parts": [1, 2]}, "gone, clients 3, parts 1 2"),
        ({"name": "gone", "label": {"beta": 0.5}}, "gone, label (beta 0.5)"),
    ],
)
def test_all_keys_of_a_component_that_no_longer_exists_are_listed(rule: dict[str, Any], line: str) -> None:
    assert rule_text(rule) == line
