"""The metrics of a round, by hand, from tallies of clients that differ in every number."""

from __future__ import annotations

import numpy as np
import pytest

from fedsilo.core import ClientScore, RoundRecord, Tally
from fedsilo.core.errors import ClientError
from fedsilo.simulation.evaluation import add_metrics, empty_metrics, score_line
from fedsilo.tasks.classification import Classification
from fedsilo.tasks.composition import Composition
from fedsilo_actors.monitoring.metric_readings import read_scores

TASK = Classification()


def tally(correct: int, examples: int, loss: float) -> Tally:
    return {"correct": correct, "examples": examples, "loss": loss}


SCORES = [
    ClientScore(0, tally(3, 4, 2.0), tally(1, 6, 12.0), tally(2, 5, 5.0)),
    ClientScore(1, tally(1, 6, 9.0), tally(3, 4, 1.0), tally(1, 5, 5.0)),
    ClientScore(2, tally(0, 0, 0.0), tally(4, 10, 1.0)),
]


def record() -> RoundRecord:
    return RoundRecord(0, (0, 1), loss=0.0, metrics=empty_metrics(TASK))


def test_each_view_has_its_own_number() -> None:
    found = add_metrics(record(), SCORES, TASK).metrics
    assert found["local_accuracy"] == pytest.approx((3 / 4 + 1 / 6) / 2)
    assert found["accuracy"] == pytest.approx(4 / 10)
    assert found["neighbour_accuracy"] == pytest.approx((1 / 6 + 3 / 4 + 4 / 10) / 3)
    assert found["global_accuracy"] == pytest.approx((4 / 10 + 4 / 10 + 4 / 10) / 3)
    assert found["worst_accuracy"] == pytest.approx(1 / 6)
    assert found["local_spread"] == pytest.approx((3 / 4 - 1 / 6) / 2)
    assert found["new_accuracy"] == pytest.approx((2 / 5 + 1 / 5) / 2)


def test_global_accuracy_counts_own_and_other_images_by_their_number() -> None:
    """Own share 3 of 4, elsewhere 1 of 16: 4 of 20, which is neither the neighbours' number nor the mean of the two."""
    scores = [ClientScore(0, tally(3, 4, 0.0), tally(1, 16, 0.0))]
    found = add_metrics(record(), scores, TASK).metrics
    assert found["global_accuracy"] == pytest.approx(4 / 20)
    assert found["neighbour_accuracy"] == pytest.approx(1 / 16)


def test_a_client_that_never_trains_counts_only_as_unseen() -> None:
    found = add_metrics(record(), SCORES, TASK, unseen=frozenset({1})).metrics
    assert found["local_accuracy"] == found["accuracy"] == pytest.approx(3 / 4)
    assert found["unseen_accuracy"] == pytest.approx(1 / 6)


def test_a_line_has_counts_and_the_mean_loss() -> None:
    line = score_line(SCORES[1], TASK)
    assert (line["client"], line["correct"], line["examples"]) == (1, 1, 6)
    assert line["accuracy"] == pytest.approx(1 / 6)
    assert line["loss"] == pytest.approx(9.0 / 6)


def columns(seen: list[bool], first: list[bool], margin: list[float]) -> Tally:
    flags = np.ones(len(seen), dtype=bool)
    best = np.array(margin, dtype=np.float32)
    found = {"seen": np.array(seen), "first": np.array(first), "own": flags, "attribute": flags, "object": flags}
    return {"examples": len(seen), **found, "best_seen": best, "best_unseen": np.zeros_like(best)}


PAIRS = Composition()
BOTH = columns([True, True, False], [True, False, True], [2.0, 2.0, 1.0])
SEEN_ONLY = columns([True, True], [True, True], [3.0, 3.0])


def test_a_metric_that_a_client_cannot_have_is_left_out_of_lines_and_means() -> None:
    scores = [ClientScore(0, BOTH, validation=BOTH), ClientScore(1, SEEN_ONLY, validation=SEEN_ONLY)]
    found = add_metrics(RoundRecord(0, (0, 1), loss=0.0, metrics=empty_metrics(PAIRS)), scores, PAIRS).metrics
    assert found["local_auc"] == found["worst_auc"] == found["validation_auc"] == pytest.approx(0.5)
    assert found["local_seen"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["validation_seen"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["auc"] == pytest.approx(0.75)  # of the images of both: 3 of 4 seen ones are right above the margin 1
    assert found["local_others_pairs"] is None
    assert found["local_spread"] == 0.0
    line = score_line(scores[1], PAIRS)
    assert "auc" not in line
    assert "validation_auc" not in line
    assert line["seen"] == line["validation_seen"] == 1.0
    assert score_line(ClientScore(2, columns([], [], [])), PAIRS) == {"client": 2, "examples": 0}
    assert next(iter(read_scores(scores, PAIRS, "r", "m", {}))).value == pytest.approx(0.5)
    assert len(list(read_scores(scores, PAIRS, "r", "m", {}))) == 1


def test_a_headline_that_no_client_has_is_one_line() -> None:
    start = RoundRecord(0, (0,), loss=0.0, metrics=empty_metrics(PAIRS))
    with pytest.raises(ClientError, match=r"value of the AUC.*partition\.test=global"):
        add_metrics(start, [ClientScore(0, SEEN_ONLY)], PAIRS)


def test_without_a_test_image_nothing_is_measured() -> None:
    with pytest.raises(ClientError, match=r"no client has a test image.*partition"):
        add_metrics(record(), SCORES[2:], TASK)
