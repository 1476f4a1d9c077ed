"""Components inside a component: the shifts of a partition, named, layered and checked like sections."""

from __future__ import annotations

import pytest

from fedsilo.config.dumping import to_mapping
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core.errors import ScenarioError
from fedsilo.partitioning.rules.homo import Homo
from fedsilo.partitioning.shifts.concept.none import NoConceptShift
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.label.iid import Iid
from fedsilo.partitioning.shifts.label.shards import Shards


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("partition.label.beta=3", "partition.label.beta: unknown key. Known: name."),
        ("partition.label=3", "partition.label: must be a mapping of keys, got 3. Known: name."),
        ("partition.label={name: null}", "partition.label.name: must be a name, got null. Leave it away for the usual"),
        ("partition.label=dirichlett", "partition.label.name: no label shift 'dirichlett'. Did you mean 'dirichlet'?"),
        ("partition=dirichlet", "It is a label shift: write partition.label: dirichlet."),
        ("partition.label={name: dirichlet, bta: 1}", "partition.label.bta: unknown key. Did you mean 'beta'?"),
        (
            "partition.label={name: dirichlet, beta: 0}",
            "partition.label.beta: must be a finite number above 0, got 0.0.",
        ),
        ("partition={name: manifest, label: iid}", "partition.label: unknown key."),
        ("partition.corruption.severity=0", "partition.corruption.severity: must be 1 to 5, got 0."),
        ("partition.corruption.severity=[1, 9]", "partition.corruption.severity: must be 1 to 5, got 9."),
        (
            "partition.corruption.kinds=[blurr]",
            "partition.corruption.kinds: no corruption 'blurr'. Did you mean 'blur'?",
        ),
    ],
)
def test_components_inside_components_are_checked_like_any_other(text: str, line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_mapping({}, [text])
    assert line in "\n".join(caught.value.problems)


def test_a_slot_takes_layers_names_and_null() -> None:
    ground = {"partition": {"label": {"name": "dirichlet", "beta": 0.1}, "feature": "domains"}}
    assert from_mapping(ground, ["partition.label.beta=0.2"]).partition.label == Dirichlet(0.2)
    assert from_mapping(ground, ["partition.label=shards"]).partition.label == Shards()
    assert from_mapping(ground, ["partition.label=shards", "partition.label.per_client=3"]).partition.label == Shards(3)
    assert from_mapping(ground, ["partition.label=null"]).partition.label == Iid()
    assert from_mapping(ground, ["partition=homo"]).partition == Homo(concept=NoConceptShift())
    again = from_mapping(to_mapping(from_mapping(ground)))
    assert again == from_mapping(ground)
