from __future__ import annotations

from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import Actors, ClientResources, GroupResources, Scenario, Tracking

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def test_scenarios_are_values(folder: Path) -> None:
    one, other = read(written(folder, a="name: x")), read(written(folder, b="name: x"))
    assert one == other, "the source is not part of what is run"
    assert isinstance(one, Scenario)
    with pytest.raises(AttributeError):
        one.seed = 3  # type: ignore[misc]


def test_resources_are_listed_by_the_keys_of_those_who_get_them() -> None:
    one, group = ClientResources(gpus=0.5), GroupResources(clients=[0, 1], cpus=2)
    asked = Actors(clients={3: one}, groups={"large": group}, domains={"photo": one})
    assert asked.overrides() == {"clients.3": one, "groups.large": group, "domains.photo": one}
    assert asked.problems() == []


@pytest.mark.parametrize(
    ("actors", "keys"),
    [
        (Actors(clients={-1: ClientResources()}), ["clients.-1"]),
        (Actors(gpus_per_client=1.5), ["gpus_per_client"]),
        (Actors(gpus_per_client=2.0, clients={0: ClientResources(gpus=0.3)}), []),
        (
            Actors(clients={0: ClientResources(resources={"GPU": 1, "TPU": 1.5, "NPU": 2})}),
            [
                "clients.0.resources.GPU",
                "clients.0.resources.TPU",
            ],
        ),
        (Actors(labels={"zone": "a b", "kind": "!in(A100, H100)"}), ["labels.zone"]),
        (Actors(object_store_mb=1), ["object_store_mb"]),
        (
            Actors(
                groups={"a": GroupResources(clients=[0]), "b": GroupResources(clients=[0, -1]), "c": GroupResources()}
            ),
            ["groups.b.clients", "groups.b.clients", "groups.c.clients"],
        ),
    ],
)
def test_what_no_cluster_can_give_is_named_with_its_key(actors: Actors, keys: list[str]) -> None:
    assert [line.partition(": ")[0] for line in actors.problems()] == keys


def test_runs_need_a_folder_and_loggers_that_exist() -> None:
    assert Tracking().problems() == []
    assert [line.partition(": ")[0] for line in Tracking(root=" ", loggers=["csvv"]).problems()] == ["loggers", "root"]
