import json
from dataclasses import replace

import numpy as np
import pytest

from fedsilo.core.errors import DataError, RunError
from fedsilo.partitioning.heterogeneity.null_scores import compare, remove_chance, score_random_deals
from fedsilo.partitioning.heterogeneity.scores import SCORES, Scores
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet


def test_scores_come_back_as_they_were_written(emblems, tmp_path):
    scores = emblems.measure(ComposedPartition(4, label=Dirichlet(0.5)))
    scores.write(tmp_path / "heterogeneity.json")
    assert Scores.read(tmp_path / "heterogeneity.json") == scores
    written = json.loads((tmp_path / "heterogeneity.json").read_text())
    of_pairs = ("attribute_shift", "attribute_distance", "object_shift", "object_distance")
    assert [entry["name"] for entry in written["scores"]] == [name for name in SCORES if name not in of_pairs]
    assert all(entry["meaning"] and entry["verdict"] for entry in written["scores"])


def test_what_is_no_scores_file_is_refused(emblems, tmp_path):
    path = tmp_path / "heterogeneity.json"
    with pytest.raises(RunError, match="cannot be read"):
        Scores.read(path)
    path.write_text('{"format": "another"}')
    with pytest.raises(DataError, match="not scores of a partition"):
        Scores.read(path)
    emblems.measure(ComposedPartition(4, label=Dirichlet(0.5))).write(path)
    document = json.loads(path.read_text())
    del document["scores"][0]["null"]["p"]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="damaged scores"):
        Scores.read(path)
    with pytest.raises(RunError, match="cannot be written"):
        replace(emblems.measure(ComposedPartition(4, label=Dirichlet(0.5))), notes=()).write(
            tmp_path / "none" / "x.json"
        )


def test_a_value_is_placed_among_the_draws_of_its_null():
    null = compare(3.0, np.array([1.0, 2.0, 3.0, 4.0]))
    assert (null.mean, null.p, null.deals) == (2.5, 3 / 5, 4)
    assert null.high == pytest.approx(3.85)
    assert compare(9.0, np.arange(19.0)).p == 11 / 20
    assert compare(99.0, np.arange(19.0)).p == 1 / 20


def test_chance_is_taken_out_by_squares():
    assert remove_chance(5.0, 3.0) == 4.0
    assert remove_chance(1.0, 3.0) == 0.0


def test_random_deals_keep_sizes():
    owners = np.repeat([0, 1, 2], [5, 1, 3])
    draws = score_random_deals(lambda dealt: np.bincount(dealt).astype(float), owners, 7, seed=0)
    assert (draws == [5, 1, 3]).all()
    assert (
        len({tuple(row) for row in score_random_deals(lambda dealt: dealt.astype(float), owners, 7, seed=0).tolist()})
        > 1
    )
