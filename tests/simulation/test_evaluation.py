"""The metrics of a round, by hand, from tallies of clients that differ in every number."""

from __future__ import annotations

import pytest

from fedsilo.core import ClientScore, RoundRecord, Tally
from fedsilo.core.errors import ClientError
from fedsilo.simulation.evaluation import measured, score_line, unmeasured
from fedsilo.tasks.classification import Classification

TASK = Classification()


def tally(correct: int, examples: int, loss: float) -> Tally:
    return {"correct": correct, "examples": examples, "loss": loss}


SCORES = [
    ClientScore(0, tally(3, 4, 2.0), tally(1, 6, 12.0), tally(2, 5, 5.0)),
    ClientScore(1, tally(1, 6, 9.0), tally(3, 4, 1.0), tally(1, 5, 5.0)),
    ClientScore(2, tally(0, 0, 0.0), tally(4, 10, 1.0)),
]


def record() -> RoundRecord:
    return RoundRecord(0, (0, 1), loss=0.0, metrics=unmeasured(TASK))


def test_each_view_has_its_own_number() -> None:
    found = measured(record(), SCORES, TASK).metrics
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
    found = measured(record(), scores, TASK).metrics
    assert found["global_accuracy"] == pytest.approx(4 / 20)
    assert found["neighbour_accuracy"] == pytest.approx(1 / 16)


def test_a_client_that_never_trains_counts_only_as_unseen() -> None:
    found = measured(record(), SCORES, TASK, unseen=frozenset({1})).metrics
    assert found["local_accuracy"] == found["accuracy"] == pytest.approx(3 / 4)
    assert found["unseen_accuracy"] == pytest.approx(1 / 6)


def test_a_line_has_counts_and_the_mean_loss() -> None:
    line = score_line(SCORES[1], TASK)
    assert (line["client"], line["correct"], line["examples"]) == (1, 1, 6)
    assert line["accuracy"] == pytest.approx(1 / 6)
    assert line["loss"] == pytest.approx(9.0 / 6)


def test_without_a_test_image_nothing_is_measured() -> None:
    with pytest.raises(ClientError, match=r"no client has a test image.*partition"):
        measured(record(), SCORES[2:], TASK)
