"""Where the features of a run are: in memory, or in the cache's files when they are large; its result is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fedsilo
from fedsilo.aggregation.plain import Plain
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.stored_features import StoredFeatures
from fedsilo.simulation import feature_encoding
from fedsilo.simulation.preparation import prepare
from fedsilo.simulation.serial import SerialRuntime

SMALL: dict[str, Any] = {
    "data": {
        "classes": 4,
        "domains": ["sketch", "neon"],
        "train_per_class_and_domain": 5,
        "test_per_class_and_domain": 3,
    },
    "partition": {"clients": 3, "label": "dirichlet"},
    "method": {"name": "fedotp", "context_length": 2},  # reads patch tokens
    "training": {"rounds": 2, "batch_size": 8, "optimizer": {"learning_rate": 0.1}},
    "actors": {"backend": "serial"},
}


@pytest.mark.usefixtures("cache_folder")
def test_a_run_on_stored_features_has_the_hash_of_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = fedsilo.run(SMALL, **{"tracking.root": str(tmp_path)})
    monkeypatch.setattr(feature_encoding, "IN_MEMORY", 0)
    monkeypatch.delattr(CachedFeatures, "batch")  # nothing is to be had from memory
    stored = fedsilo.run(SMALL, **{"tracking.root": str(tmp_path)})
    assert stored.result["sha256"] == gathered.result["sha256"]


@pytest.mark.usefixtures("cache_folder")
def test_pixels_that_are_scaled_to_nothing_end_a_run_before_its_first_round() -> None:
    scenario = from_mapping({**SMALL, "backbone": {"pixel_std": [1e39] * 3}})
    with pytest.raises(BackboneError, match=r"the same column .* Set backbone\.pixel_std=\[1e\+39, "):
        prepare(scenario, [scenario.method], SerialRuntime("cpu"), lambda stage, done, total: None)


class Elsewhere(SerialRuntime):
    """A runtime that says its clients live on several machines."""

    def one_machine(self) -> bool:
        return False


@pytest.mark.usefixtures("cache_folder")
def test_clients_on_several_machines_get_features_and_not_the_names_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_encoding, "IN_MEMORY", 0)
    monkeypatch.setattr(Plain, "identity_notices", lambda self, clients: [f"keys of {clients} clients"])
    scenario = from_mapping(SMALL)
    for runtime, kind in ((SerialRuntime("cpu"), StoredFeatures), (Elsewhere("cpu"), CachedFeatures)):
        prepared = prepare(scenario, [scenario.method], runtime, lambda stage, done, total: None)
        assert type(prepared.warehouse.test) is kind
        assert "keys of 3 clients" in prepared.notices
        assert type(prepared.warehouse.train.source) is kind  # type: ignore[attr-defined]
