"""A local cluster of several nodes, each with its own raylet and object store; one of them can be removed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from fedsilo.config.sections import Actors
from fedsilo_actors.cluster import NAMESPACE

OTHERS = 2
"""Number of nodes beside the driver's."""


class LocalNodes:
    """The nodes; Ray is connected to them until `close`."""

    def __init__(self, section: Actors) -> None:
        """Starts the nodes and connects to them.

        Args:
            section: The scenario's `actors`.
        """
        store = (section.object_store_mb or 150) << 20
        self._node: dict[str, Any] = {"num_cpus": 2, "object_store_memory": store}
        self._cluster = Cluster(initialize_head=True, head_node_args={**self._node, "include_dashboard": False})
        self._others = [self._cluster.add_node(**self._node) for _ in range(OTHERS)]
        ray.init(address=self._cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)

    def remove_one(self) -> None:
        """Kills all processes of the node that has the most actors, and starts another node."""
        victim = max(self._others, key=lambda node: _busy_workers(node.all_processes["raylet"][0].process.pid))
        self._others.remove(victim)
        self._cluster.remove_node(victim, allow_graceful=False)
        self._others.append(self._cluster.add_node(wait=False, **self._node))

    def close(self) -> None:
        """Disconnects and ends all nodes."""
        ray.shutdown()
        self._cluster.shutdown()  # type: ignore[no-untyped-call]


def _busy_workers(raylet: int) -> int:
    """How many of a raylet's children are actors: Ray names a process after its work."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # a process may end while it is looked at
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            title = (folder / "cmdline").read_bytes()
            count += parent == raylet and title.startswith(b"ray::") and not title.startswith(b"ray::IDLE")
    return count


@contextlib.contextmanager
def hold_nodes(section: Actors, wanted: bool) -> Iterator[LocalNodes | None]:
    """Holds several nodes, if they are wanted.

    Args:
        section: The scenario's `actors`.
        wanted: Whether several nodes are wanted.

    Yields:
        The nodes; None where the run starts a Ray of one node itself.
    """
    if not wanted:
        yield None
        return
    held = LocalNodes(section)
    try:
        yield held
    finally:
        held.close()
