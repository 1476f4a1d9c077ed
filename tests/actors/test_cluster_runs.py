"""Whole runs on Ray from the command line: killed drivers and coordinators, interrupts. Slow: each starts Ray."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsilo.storage.run_folder import read_lines

RAYLET = re.compile(r"(\x1b\[\d+m)?\(raylet\)|\s*$")
"""Lines of Ray's own about a worker that died; they go to standard error."""

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SCENARIO = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2, label: {name: dirichlet, beta: 1.0}}
method: {name: METHOD, context_length: 2}
training: {rounds: ROUNDS, local_epochs: 3, batch_size: 4, optimizer: {learning_rate: 0.1}}
actors: {start_timeout_s: 600, encoders: 1, object_store_mb: 100}
"""


@pytest.fixture
def fedsilo(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Returns fedsilo(words...): a started process in a folder with its own cache."""

    def go(*words: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "FEDSILO_CACHE": str(tmp_path / "cache")}
        return subprocess.Popen(
            [sys.executable, "-m", "fedsilo", *words],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Under nohup or a background job SIGINT is ignored, and a child would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return go


def result(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)


def write(folder: Path, method: str, rounds: int) -> None:
    (folder / "s.yaml").write_text(SCENARIO.replace("METHOD", method).replace("ROUNDS", str(rounds)))


def wait_for_round(root: Path, number: int) -> Path:
    deadline = time.monotonic() + 1200
    while time.monotonic() < deadline:
        for folder in root.glob("*"):
            if len(read_lines(folder / "rounds.jsonl")) > number:
                return folder
        time.sleep(0.02)
    raise AssertionError("the run did not get so far")


@pytest.mark.parametrize(("method", "after"), [("promptfl", 0), ("local", 4)])
def test_a_killed_driver_resumes_to_the_hashes_of_the_whole_run(
    fedsilo: Any, tmp_path: Path, method: str, after: int
) -> None:
    write(tmp_path, method, 40)
    serial = result(fedsilo("run", "s.yaml", "--json", "actors.backend=serial", "tracking.root=serial"))
    killed = fedsilo("run", "s.yaml", "--json", "tracking.root=killed")
    folder = wait_for_round(tmp_path / "killed", after)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (folder / "result.json").exists()
    resumed = result(fedsilo("resume", f"killed/{folder.name}", "--json"))
    assert resumed["hashes"] == serial["hashes"]
    assert resumed["sha256"] == serial["sha256"]
    assert [line["round"] for line in read_lines(folder / "rounds.jsonl")] == list(range(40))


def test_a_killed_coordinator_is_started_again_and_one_killed_for_good_is_one_line(
    fedsilo: Any, tmp_path: Path
) -> None:
    """On the same clients, to the hashes of the whole run; without retries the run stops, and resumes to them."""
    write(tmp_path, "local", 60)
    replaced = fedsilo("run", "s.yaml", "--json", "tracking.root=replaced", "actors.retries=1")
    kill_coordinator(wait_for_round(tmp_path / "replaced", 3))
    survived = result(replaced)
    assert [line for line in survived["notices"] if "the coordinator died after round" in line], survived["notices"]
    process = fedsilo("run", "s.yaml", "--json", "tracking.root=killed", "actors.retries=0")
    folder = wait_for_round(tmp_path / "killed", 1)
    kill_coordinator(folder)
    out, err = process.communicate()
    assert process.returncode == 2, err
    assert out == ""
    ours = [line for line in err.splitlines() if not RAYLET.match(line)]
    assert len(ours) == 1, err
    assert ours[0].startswith("the coordinator died: ")
    assert f"`fedsilo resume killed/{folder.name}`" in ours[0]
    assert not (folder / "result.json").exists()
    resumed = result(fedsilo("resume", f"killed/{folder.name}", "--json"))
    serial = result(fedsilo("run", "s.yaml", "--json", "actors.backend=serial", "tracking.root=serial"))
    assert survived["hashes"] == resumed["hashes"] == serial["hashes"]
    assert [line["round"] for line in read_lines(folder / "rounds.jsonl")] == list(range(60))


def kill_coordinator(folder: Path) -> None:
    found = re.search(r"number (\d+) on", (folder / ".lock").read_text())
    assert found
    os.kill(int(found[1]), signal.SIGKILL)


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "terminated"])
def test_an_interrupt_leaves_a_run_that_resumes(fedsilo: Any, tmp_path: Path, sign: int, code: int) -> None:
    write(tmp_path, "promptfl", 120)
    process = fedsilo("run", "s.yaml", "tracking.root=runs")
    folder = wait_for_round(tmp_path / "runs", 1)
    process.send_signal(sign)
    _, err = process.communicate()
    assert process.returncode == code, err
    assert f"fedsilo resume runs/{folder.name}" in err
    assert "Traceback" not in err
    serial = result(fedsilo("resume", f"runs/{folder.name}", "--json"))
    assert serial["rows"][-1]["rounds"] == 120
