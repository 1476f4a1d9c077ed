"""Which nodes have the labels that are asked for; no Ray is started here."""

import pytest

from fedsilo.config.sections import Actors, ClientResources
from fedsilo_actors.placement.labels import format_labels, format_node_labels, meets


@pytest.mark.parametrize(
    ("value", "met"),
    [("a", "a"), ("!a", "bc-"), ("in(a, b)", "ab"), ("in(c)", "c"), ("!in(a,b)", "c-")],
)
def test_selectors_are_read_as_ray_reads_them(value: str, met: str) -> None:
    """A node without the label ("-") is one that has not that value."""
    assert "".join(own for own in "abc-" if meets({"zone": own} if own != "-" else {}, [("zone", value)])) == met


def test_all_labels_are_needed_and_none_is_met_by_any_node() -> None:
    assert meets({}, [])
    assert not meets({"zone": "a"}, [("zone", "a"), ("disk", "fast")])


def test_labels_are_listed_for_people_without_what_ray_gives_every_node() -> None:
    nodes = [{"ray.io/node-id": "x", "zone": "a"}, {"ray.io/node-id": "y", "zone": "a", "disk": "fast"}]
    assert format_node_labels(nodes) == "disk=fast, zone=a (2 nodes)"
    assert format_node_labels([{"ray.io/node-id": "x"}]) == "none"
    assert format_labels((("disk", "!slow"), ("zone", "a"))) == "disk=!slow, zone=a"


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"zone": "in(a, b)", "ray.io/accelerator-type": "A100"}, None),
        ({"zone": "!in(a,b)"}, None),
        ({"zone": "a b"}, "labels.zone: must be a word"),
        ({"zone": "in()"}, "labels.zone: must be a word"),
        ({"zone": ""}, "labels.zone: must be a word"),
        ({"a b": "c"}, "labels: a label's name is"),
    ],
)
def test_what_ray_would_not_take_is_a_problem_of_the_scenario(labels: dict[str, str], problem: str | None) -> None:
    found = Actors(labels=labels).problems() + [
        line.removeprefix("clients.0.") for line in Actors(clients={0: ClientResources(labels=labels)}).problems()
    ]
    assert [line.startswith(problem or "?") for line in found] == ([True, True] if problem else [])
