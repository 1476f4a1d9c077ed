"""Faults that need no run: memory, disk and checkpoints."""

import resource
from pathlib import Path
from typing import Any

import pytest

from fedsilo.core.errors import RunError
from fedsilo.core.state import write_bytes
from fedsilo.methods.promptfl import PromptFL
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo_actors.fault_injection.injectors import damage, exhaust_memory, fill_disk

METHOD = PromptFL(context_length=3)


def test_memory_runs_out_for_real_and_is_there_again() -> None:
    with pytest.raises(MemoryError):
        exhaust_memory()
    assert len(bytearray(128 << 20)) == 128 << 20


def test_a_full_disk_refuses_every_write_of_the_process(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        fill_disk()
        with pytest.raises(RunError, match="cannot be written"):
            write_bytes(tmp_path / "x", b"word")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    write_bytes(tmp_path / "x", b"word")


@pytest.mark.parametrize("drawn", range(0, 48, 5))
def test_a_damaged_checkpoint_is_passed_over(world: Any, tmp_path: Path, drawn: int) -> None:
    """Whatever is cut off or flipped: the checkpoint before counts."""
    here = world(clients=1)
    shared = dict(here.work(METHOD).shared)
    kept = Checkpoints(tmp_path, 2)
    for round in range(2):
        kept.write(round, shared, lambda folder: {})
    done = damage(tmp_path / "round-0001", drawn * 7919)
    found, notices = kept.newest()
    assert found is not None
    if found.round == 1:  # JSON may have blanks to lose
        assert "checkpoint.json" in done
        assert {name: tensor.tolist() for name, tensor in found.shared.items()} == {
            name: tensor.tolist() for name, tensor in shared.items()
        }
    else:
        assert "passed over a damaged checkpoint" in notices[0]
