"""Labels of nodes: which nodes have those that are asked for, and what is said where none has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ray

from fedsilo.core.errors import ResourceError

Labels = tuple[tuple[str, str], ...]
"""Names and values, by name."""

NODE_ID = "ray.io/node-id"
"""A label that Ray gives to every node; of no use to people, so it is not listed."""


def list_nodes() -> list[Mapping[str, Any]]:
    """Returns the nodes that the cluster has now, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def sum_resources(asked: Labels) -> dict[str, float]:
    """Returns what the nodes that have these labels have to give together, by resource name."""
    found: Counter[str] = Counter()
    for node in list_nodes():
        if meets(node["Labels"], asked):
            found.update(node["Resources"])
    return dict(found)


def require(asked: Labels, who: str) -> None:
    """Refuses labels that no node has.

    Args:
        asked: What is asked for.
        who: Who asks.

    Raises:
        ResourceError: No node has all of them; the message lists the labels that there are.
    """
    nodes = [node["Labels"] for node in list_nodes()]
    if any(meets(labels, asked) for labels in nodes):
        return
    raise ResourceError(
        f"actors: {who} ask for a node with {format_labels(asked)}, which none has. Labels there are: "
        f"{format_node_labels(nodes)}. Correct the labels, or start a node that has them: "
        "`ray start --labels NAME=VALUE`."
    )


def meets(labels: Mapping[str, str], asked: Iterable[tuple[str, str]]) -> bool:
    """Returns whether a node with these labels will do; read as Ray reads label selectors.

    Args:
        labels: What the node has.
        asked: Names, and a value each: "a", "!a", "in(a, b)" or "!in(a, b)".
    """
    return all(_meets(labels.get(name), value) for name, value in asked)


def _meets(has: str | None, value: str) -> bool:
    positive = value.removeprefix("!")
    words = positive.removeprefix("in(").removesuffix(")").split(",") if positive.startswith("in(") else [positive]
    among = has in [word.strip() for word in words]
    return among == (positive == value)


def format_labels(asked: Labels) -> str:
    """Returns labels for people: "zone=a, disk=!slow"."""
    return ", ".join(f"{name}={value}" for name, value in asked)


def format_node_labels(nodes: Sequence[Mapping[str, str]]) -> str:
    """Returns the labels of some nodes for people, with the number of nodes where it is not one: "zone=a (2 nodes)"."""
    found = Counter(f"{name}={value}" for labels in nodes for name, value in sorted(labels.items()) if name != NODE_ID)
    listed = [text + (f" ({count} nodes)" if count > 1 else "") for text, count in sorted(found.items())]
    return ", ".join(listed) or "none"
