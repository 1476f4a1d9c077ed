from pathlib import Path

import numpy as np
import pytest

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.config.sections import Scenario
from fedsilo.methods.zero_shot import ZeroShot
from fedsilo.partitioning.heterogeneity import Scores, measure
from fedsilo.runs.provenance import keep_origin
from fedsilo.simulation.feature_sample import measure_prepared, sample_features
from fedsilo.simulation.preparation import partition_of, prepare
from fedsilo.simulation.serial import SerialRuntime

SCENARIO = {
    "name": "small",
    "data": {
        "name": "emblems",
        "classes": 4,
        "domains": ["sketch", "neon"],
        "train_per_class_and_domain": 6,
        "test_per_class_and_domain": 2,
    },
    "partition": {"feature": "domains"},
    "method": "promptfl",
    "backbone": {"device": "cpu"},
}


def scenario(**training: object) -> Scenario:
    return from_mapping({**SCENARIO, "training": {"rounds": 1, **training}})


def quiet(stage: str, done: int, total: int) -> None:
    pass


def of_run(**training: object) -> Scores:
    found = scenario(**training)
    return measure_prepared(found, prepare(found, [ZeroShot()], SerialRuntime("cpu"), quiet))


def test_a_run_and_the_partition_command_measure_the_same(cache_folder: Path) -> None:
    images, manifest = partition_of(scenario())
    told: list[tuple[int, int]] = []
    pictured = sample_features(
        scenario(), images, manifest, 1000, lambda stage, done, total: told.append((done, total))
    )
    alone, run = measure(manifest, pictured), of_run()
    assert told[-1] == (48, 48)
    assert run.split_sha256 == alone.split_sha256
    assert [score.name for score in run.scores] == [score.name for score in alone.scores]
    assert [score.value for score in run.scores] == pytest.approx([score.value for score in alone.scores], abs=1e-4)
    assert (run.backbone, run.images, run.notes) == (alone.backbone, alone.images, alone.notes)


def test_images_are_measured_as_their_clients_have_them(cache_folder: Path) -> None:
    corrupted = {"feature": "domains", "corruption": {"kinds": ["contrast"], "severity": 5, "clients": 0.5}}
    altered = from_mapping({**SCENARIO, "partition": corrupted, "training": {"rounds": 1}})
    found = [sample_features(each, *partition_of(each), 1000, quiet) for each in (scenario(), altered)]
    clients = partition_of(altered)[1].clients
    for owner, client in enumerate(clients):
        plain, seen = (pictured.features[pictured.sample.owners == owner] for pictured in found)
        assert np.allclose(plain, seen, atol=1e-5) == (not client.alteration)
    run = measure_prepared(altered, prepare(altered, [ZeroShot()], SerialRuntime("cpu"), quiet))
    alone = measure(partition_of(altered)[1], found[1])
    assert [score.value for score in run.scores] == pytest.approx([score.value for score in alone.scores], abs=1e-4)


def test_a_run_with_views_measures_one_and_says_so(cache_folder: Path) -> None:
    scores = of_run(views=2)
    assert scores.backbone == "fedsilo-tiny, random view 1"
    assert scores.score("feature_sliced") is not None


def test_a_run_that_encodes_at_every_use_measures_labels_only(cache_folder: Path) -> None:
    scores = of_run(online=True)
    assert scores.score("feature_sliced") is None
    assert scores.score("label_shift") is not None
    assert "training.online" in scores.notes[0]


def test_scores_lie_beside_the_partition_of_a_run(cache_folder: Path, tmp_path: Path) -> None:
    prepared = prepare(scenario(), [ZeroShot()], SerialRuntime("cpu"), quiet)
    keep_origin(scenario(), prepared, tmp_path)
    assert Scores.read(tmp_path / "heterogeneity.json") == measure_prepared(scenario(), prepared)
    (tmp_path / "heterogeneity.json").unlink()
    keep_origin(scenario(), prepared, tmp_path)  # a resumed run needs it for nothing
    assert not (tmp_path / "heterogeneity.json").exists()
