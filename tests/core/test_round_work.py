"""Batches of a client's work: pieces of one shuffled order, and the views of an epoch."""

from dataclasses import replace
from typing import Any

import pytest

from fedsilo.methods.promptfl import PromptFL


@pytest.fixture(scope="module")
def work(world: Any) -> Any:
    """The work of a client with 20 images in batches of 6."""
    made = world(batch_size=6).work(PromptFL(context_length=3))
    assert len(made.labels) == 20
    return made


def rows(batch: Any) -> list[list[float]]:
    return batch.inputs["image"].tolist()


def test_an_epoch_is_whole_batches_of_different_images_in_an_order_of_its_own(work: Any) -> None:
    everything = rows(work.everything())
    first, second = ([rows(batch) for batch in work.batches(epoch)] for epoch in (0, 1))
    for epoch in (first, second):
        seen = [everything.index(row) for batch in epoch for row in batch]
        assert [len(batch) for batch in epoch] == [6, 6, 6]
        assert len(set(seen)) == 18
    assert first != second
    assert first == [rows(batch) for batch in work.batches(0)]
    assert first != [rows(batch) for batch in replace(work, round=1).batches(0)]


def test_a_batch_by_its_number_is_that_of_its_epoch(work: Any) -> None:
    by_epoch = [rows(batch) for epoch in (0, 1) for batch in work.batches(epoch)]
    assert [rows(work.batch(number)) for number in range(6)] == by_epoch


def test_labels_are_those_of_the_images(work: Any) -> None:
    whole = work.everything()
    known = {tuple(row): int(label) for row, label in zip(rows(whole), work.labels, strict=True)}
    for batch in work.batches(0):
        assert batch.targets["class"].tolist() == [known[tuple(row)] for row in rows(batch)]


@pytest.mark.parametrize(
    ("changes", "views"),
    [({}, [0, 0, 0, 0]), ({"views": 3}, [1, 2, 3, 1]), ({"online": True}, [1, 2, 3, 4])],
)
def test_views_go_on_over_the_epochs_of_all_rounds(work: Any, changes: dict[str, Any], views: list[int]) -> None:
    training = replace(work.training, local_epochs=2, **changes)
    found = [replace(work, training=training, round=round).view(epoch) for round in (0, 1) for epoch in (0, 1)]
    assert found == views


def test_secret_draws_differ_between_purposes_steps_and_attempts(work: Any) -> None:
    draws = [
        made.secret(purpose, step).uniform(3).tolist()
        for made, purpose, step in (
            (work, "noise", 0),
            (work, "noise", 1),
            (work, "sample", 0),
            (replace(work, attempt=1), "noise", 0),
            (replace(work, client=1), "noise", 0),
        )
    ]
    assert len({tuple(draw) for draw in draws}) == 5
    assert work.secret("noise", 0).uniform(3).tolist() == draws[0]
