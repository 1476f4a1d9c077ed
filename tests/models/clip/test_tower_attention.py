from __future__ import annotations

import pytest
import torch

from fedsilo.models.clip.tower_attention import TILE_ROWS, SharedPrefix, arrange_shared_prefix

CPU = torch.device("cpu")


def test_class_sees_the_prefix_and_its_own_earlier_tokens_only() -> None:
    arrangement = arrange_shared_prefix((2, 1), 2, CPU)
    seen = torch.cat(list(arrangement.masks)) == 0
    assert seen.int().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]
    assert (torch.cat(list(arrangement.end_masks)) == 0).int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]


def test_packed_rows_have_the_positions_of_their_own_sequence() -> None:
    arrangement = arrange_shared_prefix((3, 1, 2), 2, CPU)
    assert arrangement.positions.tolist() == [0, 1, 2, 3, 4, 2, 2, 3]
    assert arrangement.ends.tolist() == [4, 5, 7]


@pytest.mark.parametrize("lengths", [(1,), (3,) * 100, (70, 2, 63, 1, 1, 64, 65), (5, 4, 3) * 40])
def test_tiles_hold_whole_classes_and_every_row_once(lengths: tuple[int, ...]) -> None:
    arrangement: SharedPrefix = arrange_shared_prefix(lengths, 5, CPU)
    assert sum(arrangement.tiles) == sum(lengths)
    assert sum(arrangement.readouts) == len(lengths)
    start = 0
    for rows, classes in zip(arrangement.tiles, arrangement.readouts, strict=True):
        assert rows == sum(lengths[start : start + classes])
        assert rows <= TILE_ROWS or classes == 1
        start += classes
