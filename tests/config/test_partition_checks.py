"""Contradictions of the section `partition` with corruptions and methods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedsilo.config.partition_checks import check_corruption, check_unseen_classes, count_clients
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.config.sections import Scenario
from fedsilo.core import Corruption, Unseen
from fedsilo.methods.promptfl import PromptFL


@pytest.fixture(scope="module")
def usual() -> Scenario:
    return from_mapping({"partition": {"clients": 4}})


def changed(usual: Scenario, **keys: Any) -> Scenario:
    return replace(usual, partition=replace(usual.partition, **keys))


@pytest.mark.parametrize(
    ("corruption", "key", "words"),
    [
        (Corruption(["blur"], []), "severity", "is empty"),
        (Corruption(["blur"], 6), "severity", "must be 1 to 5, got 6"),
        (Corruption(["blurr", "blurr"], 1), "kinds", "Did you mean 'blur'?"),
    ],
)
def test_unknown_corruptions_get_one_line(corruption: Corruption, key: str, words: str, usual: Scenario) -> None:
    (line,) = check_corruption(changed(usual, corruption=corruption))
    assert line.startswith(f"partition.corruption.{key}: ")
    assert words in line
    assert list(check_corruption(changed(usual, corruption=Corruption(["blur", "noise"], [1, 5])))) == []


def test_unseen_classes_need_a_method_that_reads_names(usual: Scenario) -> None:
    unseen = changed(usual, unseen=Unseen(classes=0.5))
    assert list(check_unseen_classes(replace(unseen, method=PromptFL()))) == []
    own = replace(unseen, method=PromptFL(class_specific=True))
    (line,) = check_unseen_classes(own)
    assert line.startswith("partition.unseen.classes: 'promptfl' learns per-class parameters")
    assert "method.class_specific=false" in line
    assert list(check_unseen_classes(replace(usual, method=own.method))) == []


def test_clients_are_counted_with_those_of_unseen_domains(usual: Scenario) -> None:
    assert count_clients(usual) == 4
    assert count_clients(changed(usual, unseen=Unseen(domains=["photo", "neon"]))) == 6
    assert count_clients(changed(usual, clients=None)) is None
