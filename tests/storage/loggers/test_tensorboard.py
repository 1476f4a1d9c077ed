"""TensorBoard itself, where it is installed: what it wrote is read back from the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedsilo.core.tracking import Logger
from fedsilo.storage.loggers.tensorboard import TensorBoard


def test_tensorboard_has_every_round_once(tmp_path: Path, twice: Callable[[Logger, Path], str]) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoard()
    logger.require()
    twice(logger, tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard" / "promptfl"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(0, 1.0), (1, 0.75), (2, 0.5)]
    assert [event.value for event in events.Scalars("final/local_accuracy")] == [pytest.approx(0.7)]
    assert (tmp_path / "tensorboard" / "local").is_dir()
    twice(TensorBoard(folder=str(tmp_path / "all")), tmp_path / "night")
    assert len(list((tmp_path / "all" / "night" / "promptfl").glob("events.*"))) == 2
