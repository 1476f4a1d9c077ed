"""Runs over several nodes, which are several Rays on this machine: the bits of a serial run, whichever node is gone."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import remove_placement_group

from fedsilo.config.sections import Actors, ClientResources
from fedsilo.core import RoundRecord
from fedsilo.core.errors import ResourceError
from fedsilo.methods.local import Local
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialRuntime
from fedsilo_actors.placement.reservation import WaitLimit, check_capacity, reserve
from fedsilo_actors.placement.resources import Resources, read_demands
from fedsilo_actors.runtime import RayRuntime, ray_runtime

pytestmark = [pytest.mark.ray, pytest.mark.slow(40)]
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 2,
}
"""Ray takes up to half a minute otherwise until a node is lost."""

SECTION = Actors(start_timeout_s=600, timeout_s=600)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three nodes: the driver's, one with a rack, one far away."""
    head = {**NODE, "labels": {"zone": "near"}, "_system_config": QUICK_TO_NOTICE}
    started = Cluster(initialize_head=True, head_node_args=head)
    started.add_node(**NODE, labels={"zone": "near", "disk": "fast"}, resources={"rack": 1.0})
    started.add_node(**NODE, labels={"zone": "far"})
    ray.init(address=started.address, namespace="fedsilo", log_to_driver=False, logging_level=40)
    yield started
    ray.shutdown()
    started.shutdown()


@pytest.fixture
def runtime(cluster: Cluster) -> Iterator[RayRuntime]:
    with ray_runtime(SECTION) as connected:
        yield connected


def silent(part: str, record: RoundRecord) -> None:
    pass


def bits(outcomes: dict[str, Outcome]) -> Any:
    return {name: (o.shared_sha256, o.private_sha256, o.scores) for name, o in outcomes.items()}


def serial(here: Any, folder: Path, method: Any) -> dict[str, Outcome]:
    folder.mkdir()
    return SerialRuntime().run(here.job(folder, method), here.prepared(), here.rules, silent)


def node_of(name: str) -> str:
    actor = ray.get_actor(name)
    found: str = ray.get(actor.__ray_call__.remote(lambda self: ray.get_runtime_context().get_node_id()))
    return found


def zones(clients: int) -> dict[int, str]:
    """Each client's zone, by the node it is on."""
    nodes = {node["NodeID"]: node["Labels"] for node in ray.nodes()}
    return {number: nodes[node_of(f"ray client {number:02d}")].get("zone", "") for number in range(clients)}


def test_clients_are_where_their_labels_and_resources_say_and_compute_what_they_do_serially(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    here, folder, method = world(clients=4, rounds=2), tmp_path / "ray", PromptFL(context_length=3)
    folder.mkdir()
    section = Actors(
        start_timeout_s=600,
        timeout_s=600,
        labels={"zone": "near"},
        clients={
            2: ClientResources(labels={"zone": "far"}),
            3: ClientResources(resources={"rack": 0.5}, labels={"disk": "in(fast, faster)"}),
        },
    )
    seen: list[dict[int, str]] = []
    outcomes = RayRuntime(section).run(
        here.job(folder, method), here.prepared(), here.rules, lambda p, r: seen.append(zones(4))
    )
    assert seen[0] == {0: "near", 1: "near", 2: "far", 3: "near"}
    assert bits(outcomes) == bits(serial(here, tmp_path / "serial", method))


def test_labels_that_no_node_has_are_one_line_and_so_is_more_than_the_nodes_that_have_them_give(
    runtime: RayRuntime,
) -> None:
    asked = read_demands(Actors(labels={"zone": "nowhere"}), [""] * 3)
    with pytest.raises(ResourceError) as caught:
        check_capacity(asked)
    assert str(caught.value) == (
        "actors: 3 client actors ask for a node with zone=nowhere, which none has. Labels there are: disk=fast, "
        "zone=far, zone=near (2 nodes). Correct the labels, or start a node that has them: "
        "`ray start --labels NAME=VALUE`."
    )
    with pytest.raises(ResourceError, match=r"on nodes with zone=far ask for 2 CPU, these nodes have 1\. Lower"):
        check_capacity(read_demands(Actors(labels={"zone": "far"}, cpus_per_client=1.0), [""] * 2))
    with pytest.raises(ResourceError, match=r"ask for a node with disk=fast, zone=far, which none has"):
        check_capacity([Resources(0, 0, labels=(("disk", "fast"), ("zone", "far")))])


def test_clients_of_a_node_that_is_lost_go_on_elsewhere_and_change_no_bit(
    cluster: Cluster, runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    """Spread over all nodes, so that there is a client on the lost one, too."""
    here, folder, method = world(clients=3, rounds=40), tmp_path / "ray", Local(context_length=3)
    folder.mkdir()
    victim = cluster.add_node(**NODE, labels={"zone": "lost"})
    seen: list[dict[int, str]] = []
    coordinator: list[str] = []

    def lose(part: str, record: RoundRecord) -> None:
        if record.round == 1:
            coordinator.append(node_of("ray coordinator"))
            seen.append(zones(3))
            threading.Thread(target=cluster.remove_node, args=(victim, False)).start()
        if record.round == 39:
            seen.append(zones(3))

    spread = RayRuntime(Actors(start_timeout_s=600, timeout_s=600, placement="spread", labels={"zone": "!far"}))
    outcomes = spread.run(here.job(folder, method, retries=2), here.prepared(), here.rules, lose)
    assert sorted(seen[0].values()) == ["lost", "near", "near"]
    assert coordinator == [ray.get_runtime_context().get_node_id()]
    assert set(seen[1].values()) == {"near"}
    assert any("tried again" in notice for notice in outcomes["method"].notices)
    assert bits(outcomes) == bits(serial(here, tmp_path / "serial", method))


def test_a_cluster_that_grows_is_waited_for(cluster: Cluster, runtime: RayRuntime) -> None:
    asked = [Resources(0, 0.5, others=(("late", 0.5),), labels=(("zone", "late"),))] * 2
    with pytest.raises(ResourceError, match="which none has"):
        reserve(asked, WaitLimit(600))
    with pytest.raises(ResourceError) as caught:
        reserve(asked, WaitLimit(0.5, for_nodes=True))
    assert str(caught.value) == (
        "actors: 2 client actors were not placed within 0.5 s: they ask for 1 CPU (3 free), 1 late (0 free), nodes "
        "with zone=late, and no node came that has it. Wait for others to finish, ask for less, or raise "
        "actors.start_timeout_s."
    )
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(reserve, asked, WaitLimit(600, for_nodes=True))
        cluster.add_node(**NODE, resources={"late": 1}, labels={"zone": "late"})
        group = waiting.result()
    assert group is not None
    remove_placement_group(group)
