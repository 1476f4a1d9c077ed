"""What clients ask for; no Ray is started."""

import pytest

from fedsilo.config.sections import Actors, ClientResources, GroupResources
from fedsilo.core.errors import ResourceError
from fedsilo_actors.placement.resources import Resources, read_demands


def test_a_larger_share_is_twice_as_much_up_to_a_gpu() -> None:
    assert Resources(0.3, 1).larger("GPU") == Resources(0.6, 1)
    assert Resources(0.6, 1).larger("GPU") == Resources(1.0, 1)
    assert (
        Resources(1.0, 0).larger("GPU") is Resources(0.0, 0).larger("GPU") is Resources(0.5, 0).larger("memory") is None
    )
    assert Resources(0.5, 0, 1 << 30).larger("memory") == Resources(0.5, 0, 2 << 30)


def test_a_client_s_own_labels_come_before_its_group_s_and_these_before_everybody_s() -> None:
    section = Actors(
        labels={"zone": "near", "disk": "fast"},
        clients={0: ClientResources(labels={"zone": "far"})},
        groups={"few": GroupResources(clients=[0, 1], labels={"zone": "there", "rack": "2"})},
        domains={"photo": ClientResources(labels={"rack": "1"})},
    )
    found = [dict(demand.labels) for demand in read_demands(section, ["photo", "photo", "photo", ""])]
    assert found == [
        {"zone": "far", "disk": "fast", "rack": "2"},
        {"zone": "there", "disk": "fast", "rack": "2"},
        {"zone": "near", "disk": "fast", "rack": "1"},
        {"zone": "near", "disk": "fast"},
    ]


def test_single_clients_have_their_own_resources() -> None:
    section = Actors(gpus_per_client=0.25, clients={2: ClientResources(gpus=1.0), 0: ClientResources(cpus=0.5)})
    assert read_demands(section, [""] * 3) == [Resources(0.25, 0.5), Resources(0.25, 0.0), Resources(1.0, 0.0)]
    with pytest.raises(ResourceError, match="there is no client 5, the partition has 3"):
        read_demands(Actors(clients={5: ClientResources(gpus=1.0)}), [""] * 3)
