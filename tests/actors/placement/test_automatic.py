"""Shares of GPUs from what a client was measured to need; the measuring itself once on pretended GPUs."""

from pathlib import Path
from typing import Any

import pytest
import ray

import fedsilo_actors.placement.automatic
from fedsilo.config.sections import Actors, ClientResources
from fedsilo.core import RoundRecord
from fedsilo.core.errors import ResourceError
from fedsilo.methods.local import Local
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.job import Job, JobPart
from fedsilo.simulation.serial import SerialRuntime
from fedsilo_actors.placement import reservation
from fedsilo_actors.placement.automatic import MOST, choose_gpu_shares, most_on_one
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.probing import ClientFootprint, Gauge, ProbeActor
from fedsilo_actors.placement.resources import Resources, find_automatic_clients, read_demands
from fedsilo_actors.runtime import ray_runtime

GIB = 1 << 30


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns gpus(zone=number, ...): GPUs of nodes by their zone."""

    def there_are(**zones: int) -> None:
        def found(asked: Any) -> dict[str, float]:
            own = [count for zone, count in zones.items() if dict(asked).get("zone", zone) == zone]
            return {"GPU": float(sum(own))} if sum(own) else {}

        monkeypatch.setattr(fedsilo_actors.placement.automatic.labels, "sum_resources", found)

    return there_are


def taking(gib: float, of: float = 80.0) -> Any:
    def measure(host: Host) -> ClientFootprint:
        assert host.demand.gpus == 1.0
        return ClientFootprint(host.clients[0], int(gib * GIB), int(of * GIB), 1.5, 0.25)

    return measure


def given(section: Actors, clients: int, measure: Any) -> tuple[list[float], int, list[str]]:
    asked, left = read_demands(section, [""] * clients), find_automatic_clients(section, [""] * clients)
    found = choose_gpu_shares(section, asked, left, list(range(clients)), measure)
    return [demand.gpus for demand in found.asked], found.per_actor, found.notices


@pytest.mark.parametrize(
    ("clients", "gib", "there", "share", "per_actor"),
    [
        (8, 30.0, 4, 0.5, 1),  # two on a GPU: 37.5 GiB each, with the margin
        (4, 1.0, 4, 1.0, 1),  # no reason to crowd one GPU while others are idle
        (10, 1.0, 4, 0.3333, 1),  # 3 + 3 + 3 + 1
        (64, 1.0, 4, 0.125, 2),  # never more than eight processes on one
        (100, 30.0, 1, 0.5, 50),
        (3, 70.0, 1, 1.0, 3),  # more than four fifths: a whole GPU, one after the other
    ],
)
def test_a_share_is_what_is_needed_and_uses_every_gpu(
    gpus: Any, clients: int, gib: float, there: int, share: float, per_actor: int
) -> None:
    gpus(only=there)
    assert given(Actors(gpus_per_client="auto"), clients, taking(gib))[:2] == ([share] * clients, per_actor)


def test_the_line_says_what_was_measured_and_who_was(gpus: Any) -> None:
    gpus(only=1)
    assert given(Actors(gpus_per_client="auto"), 4, taking(20.0))[2] == [
        "actors.gpus_per_client: auto is 0.5: client 3, which has the most work, took 20.00 of 80.00 GiB, 1.50 s for "
        "an exchange and 0.25 s for an evaluation, so a GPU has room for 3; there are 2 actors."
    ]


def test_clients_that_say_what_they_need_keep_it_and_the_rest_share_what_is_left(gpus: Any) -> None:
    gpus(only=3)
    section = Actors(gpus_per_client="auto", clients={1: ClientResources(gpus=2.0), 4: ClientResources(gpus=0.0)})
    assert given(section, 5, taking(20.0))[0] == [0.3333, 2.0, 0.3333, 0.3333, 0.0]


def test_each_kind_of_node_is_measured_by_its_own_largest_client(gpus: Any) -> None:
    gpus(large=1, small=2)
    section = Actors(
        gpus_per_client="auto",
        labels={"zone": "small"},
        clients={0: ClientResources(labels={"zone": "large"}), 1: ClientResources(labels={"zone": "large"})},
    )
    told: list[int] = []

    def measure(host: Host) -> ClientFootprint:
        told.extend(host.clients)
        return ClientFootprint(
            host.clients[0], 10 * GIB, (80 if dict(host.demand.labels)["zone"] == "large" else 16) * GIB, 1, 1
        )

    assert given(section, 4, measure)[0] == [0.5, 0.5, 1.0, 1.0]
    assert told == [1, 3]


def test_without_gpus_auto_is_none_and_says_so(gpus: Any) -> None:
    gpus()
    assert given(Actors(gpus_per_client="auto"), 2, taking(1.0)) == (
        [0.0, 0.0], 1, ["actors.gpus_per_client: auto is 0: there is no GPU."],
    )  # fmt: skip
    gpus(only=2)
    assert given(Actors(gpus_per_client="auto"), 2, None)[2] == [
        "actors.gpus_per_client: auto is 0: clients compute on the CPU."
    ]
    assert find_automatic_clients(Actors(gpus_per_client=0.5), ["", ""]) == []


def test_no_client_is_left_without_room_and_none_crowds() -> None:
    assert most_on_one(ClientFootprint(0, 100 * GIB, 80 * GIB, 1, 1)) == 1
    assert most_on_one(ClientFootprint(0, 1, 80 * GIB, 1, 1)) == MOST == 8


def sixth() -> type[ProbeActor]:
    """A probe whose GPU is filled to a little less than a sixth, with the margin."""

    class OfTwelve:
        def begin(self) -> None:
            self.begun = True

        def peak(self) -> tuple[int, int]:
            assert self.begun
            return 10 * GIB, 80 * GIB

    def gauge(device: str) -> Gauge:
        assert device == "cpu"  # pretended GPUs
        return OfTwelve()

    class Sixth(ProbeActor):
        pass

    Sixth.gauge = staticmethod(gauge)  # type: ignore[assignment]
    return Sixth


@pytest.mark.ray
@pytest.mark.slow
def test_a_run_whose_shares_are_measured_is_the_serial_run_bit_for_bit(
    world: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = world(clients=4, rounds=2)
    seen: list[list[float]] = []

    def job(name: str) -> Job:
        folder = tmp_path / name
        folder.mkdir()
        methods = {"shared": PromptFL(context_length=3), "local": Local(context_length=3)}
        return Job(folder, tuple(JobPart(n, folder / n, here.plan(method)) for n, method in methods.items()), 2)

    def look(part: str, record: RoundRecord) -> None:
        actors = [ray.get_actor(f"ray client {number:02d}") for number in range(4)]
        seen.append(ray.get([a.__ray_call__.remote(lambda self: self._place.host.demand.gpus) for a in actors]))

    section = Actors(gpus_per_client="auto", pretend_gpus=1, object_store_mb=80, start_timeout_s=600, timeout_s=600)
    with ray_runtime(section) as runtime:
        runtime.probe = sixth()  # type: ignore[misc]
        outcomes = runtime.run(job("ray"), here.prepared(), here.rules, look)
    serial = SerialRuntime().run(job("serial"), here.prepared(), here.rules, lambda part, record: None)
    for name, outcome in serial.items():
        assert outcome.shared_sha256 == outcomes[name].shared_sha256
        assert outcome.private_sha256 == outcomes[name].private_sha256
        assert outcome.scores == outcomes[name].scores
    assert seen[0] == [0.25] * 4
    line = outcomes["shared"].notices[0]
    assert line.startswith(
        "actors.gpus_per_client: auto is 0.25: client 3, which has the most work, took 10.00 of 80.00"
    )
    assert line.endswith("so a GPU has room for 6; there are 4 actors.")
    assert line in capsys.readouterr().err


def test_more_than_the_gpus_hold_is_refused_where_the_number_of_actors_is_fixed(gpus: Any) -> None:
    gpus(only=1)
    assert given(Actors(gpus_per_client="auto", clients_per_actor=1), 3, taking(60.0))[:2] == ([1.0] * 3, 1)
    with pytest.raises(ResourceError, match="takes 3 whole GPUs"):
        reservation._check([Resources(1.0, 0)] * 3, "client actors", {"GPU": 1.0}, "the cluster has")
