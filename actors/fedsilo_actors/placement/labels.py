"""Labels of nodes: finds the nodes with given labels, and refuses labels that no node has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ray

from fedsilo.core.errors import ResourceError

Labels = tuple[tuple[str, str], ...]
"""Names and values, by name."""

NODE_ID = "ray.io/node-id"
"""A label that Ray gives to every node; it does not help people, so it is not listed."""


def list_nodes() -> list[Mapping[str, Any]]:
    """Lists the nodes that the cluster has now, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def sum_resources(asked: Labels) -> dict[str, float]:
    """Adds up the resources of all nodes with given labels.

    Args:
        asked: The labels.

    Returns:
        Amounts by resource name.
    """
    found: Counter[str] = Counter()
    for node in list_nodes():
        if meets(node["Labels"], asked):
            found.update(node["Resources"])
    return dict(found)


def require(asked: Labels, who: str) -> None:
    """Refuses labels that no node has.

    Args:
        asked: The labels.
        who: The actors that ask for them, for the message.

    Raises:
        ResourceError: No node has all of them; the message lists the labels that exist.
    """
    nodes = [node["Labels"] for node in list_nodes()]
    if any(meets(labels, asked) for labels in nodes):
        return
    raise ResourceError(
        f"actors: {who} ask for a node with {format_labels(asked)}, which none has. "
        f"Labels there are: {format_node_labels(nodes)}. "
        "Correct the labels, or start a node that has them: `ray start --labels NAME=VALUE`."
    )


def meets(labels: Mapping[str, str], asked: Iterable[tuple[str, str]]) -> bool:
    """Checks whether a node has the labels that are asked for, read as Ray reads label selectors.

    Args:
        labels: The node's labels.
        asked: Names, and a value each: "a", "!a", "in(a, b)" or "!in(a, b)".

    Returns:
        Whether it has all of them.
    """
    return all(_meets(labels.get(name), value) for name, value in asked)


def _meets(has: str | None, value: str) -> bool:
    positive = value.removeprefix("!")
    words = positive.removeprefix("in(").removesuffix(")").split(",") if positive.startswith("in(") else [positive]
    among = has in [word.strip() for word in words]
    return among == (positive == value)


def format_labels(asked: Labels) -> str:
    """Formats labels for people.

    Args:
        asked: The labels.

    Returns:
        Such as "zone=a, disk=!slow".
    """
    return ", ".join(f"{name}={value}" for name, value in asked)


def format_node_labels(nodes: Sequence[Mapping[str, str]]) -> str:
    """Formats the labels of some nodes for people.

    Args:
        nodes: Labels of each node.

    Returns:
        Such as "disk=fast, zone=a (2 nodes)"; "none" where there are none.
    """
    found = Counter(f"{name}={value}" for labels in nodes for name, value in sorted(labels.items()) if name != NODE_ID)
    listed = [text + (f" ({count} nodes)" if count > 1 else "") for text, count in sorted(found.items())]
    return ", ".join(listed) or "none"
