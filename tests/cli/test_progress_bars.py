"""Progress of stages and rounds, and the output after Ctrl-C."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from fedsilo.cli import progress_bars as progress
from fedsilo.cli.progress_bars import Lines, show_progress
from fedsilo.core import RoundRecord
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.tasks.classification import Classification

MEASURES = Classification().measured

LONG = """\
data: {name: emblems, train_per_class_and_domain: 30, test_per_class_and_domain: 30}
partition: {clients: 2, label: {name: dirichlet, beta: 1.0}}
method: {name: promptfl, context_length: 2}
actors: {backend: serial}
"""


def test_without_a_terminal_a_long_stage_has_a_line_now_and_then() -> None:
    lines: list[str] = []
    now = [0.0]
    progress_lines = Lines(lines.append, MEASURES, lambda: now[0])
    for chunk in range(1, 101):
        progress_lines("training images", 256 * chunk, 25_600)
        now[0] += 1.0
    assert lines == [
        "training images: 7,936 of 25,600, 256 a second, 1:09 left",
        "training images: 15,616 of 25,600, 256 a second, 0:39 left",
        "training images: 23,296 of 25,600, 256 a second, 0:09 left",
    ]
    progress_lines("test images", 256, 512)  # a stage of its own, over before its line is due
    now[0] += 29.0
    progress_lines("test images", 512, 512)
    assert len(lines) == 3


def test_images_from_the_cache_do_not_count_as_pace() -> None:
    lines: list[str] = []
    now = [0.0]
    progress_lines = Lines(lines.append, MEASURES, lambda: now[0])
    progress_lines("training images", 900_000, 1_000_000)
    now[0] = 40.0
    progress_lines("training images", 900_100, 1_000_000)
    assert lines == ["training images: 900,100 of 1,000,000, 2.5 a second, 11:06:00 left"]


def test_without_a_terminal_a_long_method_has_a_line_now_and_then() -> None:
    lines: list[str] = []
    now = [0.0]
    progress_lines = Lines(lines.append, MEASURES, lambda: now[0])
    for round in range(8):
        progress_lines.round(
            1_000, "fedotp", RoundRecord(round, (0,), 0.0, {"local_accuracy": None if round % 2 else 0.5})
        )
        now[0] += 10.0
    progress_lines.round(1_000, "local", RoundRecord(0, (0,), 0.0))
    assert lines == ["fedotp: round 4 of 1,000", "fedotp: round 7 of 1,000, local accuracy 50.0 %"]


def drawn(monkeypatch: pytest.MonkeyPatch, terminal: bool, quiet: bool = False) -> str:
    """What two stages draw."""
    out = io.StringIO()
    now = [0.0]
    console = Console(file=out, force_terminal=terminal, width=160, color_system=None, get_time=lambda: now[0])
    monkeypatch.setattr(progress, "progress_console", lambda: console)
    with show_progress(3, quiet, MEASURES) as listener:
        listener.progress("image files", 100, 200)
        for done in (256, 512, 768):
            now[0] += 0.25
            listener.progress("training images", done, 1024)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


def test_bars_have_a_pace_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, terminal=True)
    assert re.search(r"image files .* 100/200", text)
    assert re.search(r"training images .* 768/1024 .* 1,024 a second, 0:00 left", text)


@pytest.mark.parametrize(("terminal", "quiet"), [(True, True), (False, False)])
def test_nothing_is_drawn_when_quiet_or_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, quiet: bool
) -> None:
    assert drawn(monkeypatch, terminal, quiet) == ""


def test_ctrl_c_while_images_are_read_ends_at_once_and_keeps_finished_chunks(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(LONG)
    process = subprocess.Popen(
        [sys.executable, "-m", "fedsilo", "run", "long.yaml", "tracking.root=runs", "training.rounds=100000"],
        cwd=tmp_path,
        env={**os.environ, "FEDSILO_CACHE": str(tmp_path / "cache")},
        stderr=subprocess.PIPE,
        text=True,
        # Under nohup or a background job SIGINT is ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    cache = FeatureCache(tmp_path / "cache" / "features")
    while not cache.entries():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()  # a thread that hangs would never let it end
    assert process.returncode == 130, err
    assert "stopped. Continue with: fedsilo resume runs/" in err
    assert "Traceback" not in err
    entries = cache.entries()
    assert entries
    assert all(cache.read(entry.key, ["image"]) is not None for entry in entries)
    assert {path.suffix for path in cache.folder.iterdir()} == {".safetensors"}
