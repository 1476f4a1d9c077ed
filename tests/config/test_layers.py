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


def test_a_bare_name_and_a_mapping_mean_the_same(folder: Path) -> None:
    bare = read(written(folder, a="method: local\nprivacy: none\ntraining: {optimizer: adam}\nbackbone: fedsilo-tiny"))
    full = read(
        written(
            folder,
            a="method: {name: local}\nprivacy: {mode: none}\n"
            "training: {optimizer: {name: adam}}\nbackbone: {name: fedsilo-tiny}",
        )
    )
    assert bare == full
    assert bare.training.optimizer.name == "adam"


def test_lists_are_replaced_and_mappings_are_merged(folder: Path) -> None:
    file = written(
        folder,
        q="extends: b.yaml\ndata: {domains: [c]}\nactors: {clients: {2: {gpus: 1}}}",
        b="data: {domains: [a, b]}\nactors: {clients: {1: {gpus: 0.5}}}",
    )
    scenario = read(file, ["actors.clients.1.cpus=2"])
    assert vars(scenario.actors)["clients"] == {1: ClientResources(0.5, 2.0), 2: ClientResources(1.0)}
    assert scenario.data == read(file).data
    assert tuple(scenario.data.domains) == ("c",)  # type: ignore[attr-defined]


def test_an_empty_section_says_nothing(folder: Path) -> None:
    file = written(folder, q="extends: b.yaml\ntraining:\n  # rounds: 3\n", b="training: {rounds: 7, optimizer: }")
    assert read(file).training.rounds == 7
