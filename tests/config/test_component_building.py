from __future__ import annotations

from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import ClientResources

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def test_a_component_can_come_from_anywhere(folder: Path) -> None:
    scenario = read(written(folder, q="method: {name: 'lab.method.fedotp:FedOTP', mass: 0.5}"))
    assert vars(scenario.method) == {"context_length": 16, "mass": 0.5}


def test_values_arrive_in_the_types_of_the_fields(folder: Path) -> None:
    scenario = read(
        written(
            folder,
            q="data: {name: folder, root: x, sizes: {1: 2}, crop: [3, 4], limit: 5}\n"
            "actors: {clients: {3: {gpus: 1}, '4': {cpus: 2}}}\nevaluation: {references: [local]}",
        )
    )
    assert vars(scenario.data) | {"sizes": {"1": 2}, "crop": (3, 4), "limit": 5} == vars(scenario.data)
    assert scenario.actors.clients == {3: ClientResources(gpus=1.0), 4: ClientResources(cpus=2.0)}
    assert scenario.evaluation.reference_names == ["local"]
