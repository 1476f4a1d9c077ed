"""Who shares an actor and what it asks for; no Ray is started here."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.config.key_descriptions import describe
from fedsilo.config.sections import Actors, ClientResources, GroupResources
from fedsilo.core.errors import ResourceError
from fedsilo.core.training_settings import Training
from fedsilo_actors.placement.packing import Host, clients_per_actor, estimate_work, format_clients, pack
from fedsilo_actors.placement.resources import Resources, read_demands
from fedsilo_actors.recovery.client_starter import describe_sharing

PLAIN, HALF = Resources(0.0, 0.0), Resources(0.5, 0.0)


@settings(max_examples=100, deadline=None)
@given(
    work=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    per_actor=st.integers(1, 12),
    halves=st.sets(st.integers(0, 39)),
)
def test_every_client_is_in_one_actor_with_its_like_and_none_is_crowded(
    work: list[int], per_actor: int, halves: set[int]
) -> None:
    asked = [HALF if client in halves else PLAIN for client in range(len(work))]
    hosts = pack(asked, work, per_actor)
    assert sorted(client for host in hosts for client in host.clients) == list(range(len(work)))
    for host in hosts:
        assert list(host.clients) == sorted(host.clients)
        assert len(host.clients) <= per_actor
        assert {asked[client] for client in host.clients} == {host.demand}
        assert host.work == sum(work[client] for client in host.clients)
    assert [host.work for host in hosts] == sorted((host.work for host in hosts), reverse=True)
    assert len(hosts) == sum(-(-asked.count(demand) // per_actor) for demand in set(asked))
    assert hosts == pack(asked, work, per_actor)


@settings(max_examples=100, deadline=None)
@given(work=st.lists(st.integers(1, 50), min_size=2, max_size=40), actors=st.integers(1, 5))
def test_no_actor_has_more_than_its_share_and_one_client(work: list[int], actors: int) -> None:
    """With room enough: the last client of the fullest actor went to the emptiest, which had at most the mean."""
    per_actor = -(-len(work) // actors)
    hosts = pack([PLAIN] * len(work), work, per_actor)
    if max(len(host.clients) for host in hosts) < per_actor:  # no client was turned away
        assert hosts[0].work <= sum(work) / len(hosts) + max(work)


def test_longest_first_gives_what_it_gives_by_hand() -> None:
    assert pack([PLAIN] * 5, [8, 7, 6, 5, 4], 3) == [Host((0, 3, 4), PLAIN, 17), Host((1, 2), PLAIN, 13)]
    assert [host.clients for host in pack([PLAIN] * 4, [1, 1, 9, 1], 3)] == [(2,), (0, 1, 3)]
    assert [host.clients for host in pack([PLAIN] * 4, [9, 1, 1, 1], 2)] == [(0, 1), (2, 3)]  # a full one is no choice


def test_clients_with_equal_work_stay_with_their_neighbours() -> None:
    assert [host.title for host in pack([PLAIN] * 10, [3] * 10, 4)] == [
        "clients 00-03", "clients 04-06", "clients 07-09",
    ]  # fmt: skip
    assert [host.title for host in pack([PLAIN] * 2, [3, 4], 1)] == ["client 01", "client 00"]
    assert format_clients([0, 1, 2, 5, 8, 9, 11, 13, 14]) == "00-02, 05, 08-09 and 3 more"


def test_work_is_steps_and_an_evaluation() -> None:
    assert estimate_work(Training(local_epochs=2, batch_size=10), [0, 5, 10, 39]) == [1, 3, 3, 7]


@pytest.mark.parametrize(
    ("asked", "memory", "expected"),
    [(0, 40 << 30, 1), (0, 10 << 30, 25), (7, 1, 7), (1, 1, 1)],
)
def test_clients_share_actors_where_asked_or_where_memory_is_short(asked: int, memory: int, expected: int) -> None:
    there_is = {"CPU": 4.0, "memory": float(memory)}
    assert clients_per_actor(Actors(clients_per_actor=asked), 100, there_is) == expected


def test_clients_that_share_actors_for_want_of_memory_are_a_notice_and_those_that_were_told_to_are_none() -> None:
    crowd, single = pack([PLAIN] * 100, [1] * 100, 50), pack([PLAIN] * 3, [1] * 3, 1)
    assert describe_sharing(Actors(), single) == []
    assert describe_sharing(Actors(clients_per_actor=50), crowd) == []
    assert describe_sharing(Actors(), crowd) == [
        "actors: 100 clients shared 2 actors: a process for each would take about 33 GiB. Set actors.clients_per_actor "
        "to choose."
    ]


DOMAINS = ["photo", "photo", "sketch", "", "sketch"]


def test_a_client_s_own_resources_come_before_its_group_s_and_these_before_its_domain_s() -> None:
    section = Actors(
        gpus_per_client=0.1,
        memory_mb_per_client=1,
        clients={0: ClientResources(gpus=1.0)},
        groups={"large": GroupResources(gpus=0.5, cpus=2.0, resources={"TPU": 1.0}, clients=[0, 4])},
        domains={"photo": ClientResources(cpus=1.0, resources={"rack": 0.5}), "sketch": ClientResources(gpus=0.2)},
    )
    memory = 1 << 20
    assert read_demands(section, DOMAINS) == [
        Resources(1.0, 2.0, memory, (("TPU", 1.0), ("rack", 0.5))),
        Resources(0.1, 1.0, memory, (("rack", 0.5),)),
        Resources(0.2, 0.0, memory),
        Resources(0.1, 0.0, memory),
        Resources(0.5, 2.0, memory, (("TPU", 1.0),)),
    ]
    assert read_demands(section, DOMAINS)[0].bundle() == {
        "CPU": 2.0,
        "GPU": 1.0,
        "memory": memory,
        "TPU": 1.0,
        "rack": 0.5,
    }


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"domains": {"foto": ClientResources()}},
            "actors.domains: there is no client of the domain 'foto' alone. Clients are of: photo, sketch.",
        ),
        (
            {"groups": {"a": GroupResources(clients=[1, 7])}},
            "actors.groups.a.clients: there is no client 7, the partition has 5 (0 to 4).",
        ),
    ],
)
def test_resources_for_no_client_are_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ResourceError) as caught:
        read_demands(Actors(**given), DOMAINS)
    assert str(caught.value) == line


def test_describe_tells_numbers_from_names() -> None:
    keys = [row.key for row in describe("actors")]
    assert {"actors.clients.<number>.gpus", "actors.domains.<name>.gpus", "actors.groups.<name>.clients"} <= set(keys)


@pytest.mark.parametrize(
    ("clients", "cores", "expected"), [(7, 2.0, 4), (8, 2.0, 4), (9, 2.0, 5), (1, 4.0, 1), (5, 0.0, 5), (7, 2.9, 4)]
)
def test_without_memory_for_an_actor_each_no_client_is_left_out(clients: int, cores: float, expected: int) -> None:
    """One actor a core: 7 clients on 2 cores are 4 and 3, since 3 and 3 would leave one out."""
    assert clients_per_actor(Actors(), clients, {"memory": 1.0, "CPU": cores}) == expected
