"""What is said of clients that share actors, and what each actor asks of Ray; no Ray is started."""

from fedsilo.config.sections import Actors
from fedsilo_actors.placement.packing import PROCESS_BYTES, Host
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.recovery.client_starter import _resources, describe_sharing

HOSTS = [Host((0, 1, 2), Resources(0, 0), 1), Host((3,), Resources(0, 0), 1)]


def test_only_clients_that_share_actors_without_being_asked_to_are_said() -> None:
    (line,) = describe_sharing(Actors(), HOSTS)
    assert line.startswith("actors: 4 clients shared 2 actors")
    assert f"about {4 * PROCESS_BYTES / 2**30:.0f} GiB" in line
    assert "actors.clients_per_actor" in line
    assert describe_sharing(Actors(clients_per_actor=3), HOSTS) == []
    assert describe_sharing(Actors(), HOSTS[1:]) == []


def test_an_actor_asks_for_what_its_host_demands_and_for_memory_only_if_it_reserves_some() -> None:
    found = _resources(Resources(0.5, 2.0, 1 << 30, others=(("tpu", 1.0),)))
    assert (found["num_gpus"], found["num_cpus"], found["memory"]) == (0.5, 2.0, 1 << 30)
    assert found["resources"] == {"tpu": 1.0}
    assert found["max_restarts"] == -1
    assert "memory" not in _resources(Resources(0.5, 2.0))
