from pathlib import Path

import torch

from fedsilo.storage.checkpoints import EMPTY, Checkpoints

SHARED = {"context": torch.zeros(2, 3)}


def numbers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_is_the_one_with_the_largest_number_not_the_last_by_name(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    for round in (9998, 9999, 10000):
        checkpoints.write(round, SHARED, lambda folder: {0: EMPTY})
    assert numbers(tmp_path) == ["round-10000", "round-9999"]
    newest, notices = checkpoints.newest()
    assert newest is not None
    assert (newest.round, newest.private, notices) == (10000, {0: EMPTY}, [])


def test_what_is_no_checkpoint_is_neither_read_nor_removed(tmp_path: Path) -> None:
    for name in ("round-0007 (copy)", "round-9", ".round-0003.tmp"):
        (tmp_path / name).mkdir()
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.write(0, SHARED, lambda folder: {})
    checkpoints.write(1, SHARED, lambda folder: {})
    assert numbers(tmp_path) == [".round-0003.tmp", "round-0001", "round-0007 (copy)", "round-9"]
    newest, notices = checkpoints.newest()
    assert newest is not None
    assert (newest.round, notices) == (1, [])


def test_damaged_checkpoints_are_passed_over_one_by_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=5)
    for round in range(4):
        checkpoints.write(round, SHARED, lambda folder: {0: EMPTY})
    (tmp_path / "round-0003" / "checkpoint.json").write_text("{")
    (tmp_path / "round-0002" / "shared.safetensors").unlink()
    newest, notices = checkpoints.newest()
    assert newest is not None
    assert newest.round == 1
    assert [line.split("/")[-2] for line in notices] == ["round-0003", "round-0002"]
    for damaged in tmp_path.glob("round-*/checkpoint.json"):
        damaged.write_text('{"round": 0, "shared": 1, "private": []}')
    assert checkpoints.newest()[0] is None
