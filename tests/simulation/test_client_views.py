"""Rows of altered images: one for each image in each state."""

from types import SimpleNamespace

import numpy as np

from fedsilo.core import Share
from fedsilo.partitioning.corruption.alteration import Alteration
from fedsilo.simulation.client_views import client_indices, labels_as_held, list_rows


def test_an_image_in_two_states_has_two_rows_and_each_is_what_its_holder_does_to_it(toy):
    images = toy(train=6).train
    held = [np.array([0, 1, 2]), np.array([1, 2, 4]), np.array([2, 4])]
    tags = ["", "brightness 3", "noise 2 seed 7"]
    appearance = list_rows(images, held, tags)
    for positions, rows, tag in zip(held, appearance.places, tags, strict=True):
        for position, row in zip(positions.tolist(), rows.tolist(), strict=True):
            expected = images.fetch(position)
            if tag:
                expected = Alteration.parse(tag)(expected, images.digests[position])
            assert appearance.examples.fetch(row).tobytes() == expected.tobytes()
            assert appearance.examples.labels[row] == images.labels[position]
    assert len(appearance.examples) == 6 + 4
    assert len(set(appearance.examples.digests)) == 10
    assert [row for rows in appearance.places for row in rows if row < 6] == [0, 1, 2, 4]


def test_an_image_that_all_hold_in_one_state_has_one_row(toy):
    images = toy(train=4).train
    appearance = list_rows(images, [np.array([0, 1]), np.array([1, 3])], ["blur 2", "blur 2"])
    assert len(appearance.examples) == 4
    assert [rows.tolist() for rows in appearance.places] == [[0, 1], [1, 3]]
    assert list_rows(images, [np.array([0])], [""]).examples is images


def test_a_row_that_one_client_holds_is_called_as_it_calls_it(toy):
    images = toy(train=30, test=6)
    names = np.array([4, 3, 2])
    images.test.labels[:4] = 0
    shares = [Share(np.arange(15), np.array([2, 3])), Share(np.arange(15, 30), np.array([0, 1, 2]), test_labels=names)]
    measured = list_rows(images.test, [share.test for share in shares], ["", ""])
    trained = list_rows(images.train, [share.train for share in shares], ["", ""])
    manifest = SimpleNamespace(clients=[SimpleNamespace(number=n, share=share) for n, share in enumerate(shares)])
    labels = labels_as_held(measured, client_indices(manifest, trained, measured))
    assert labels.tolist() == [4, 3, *images.test.labels[2:].tolist()]
