"""Whole runs on Ray from the command line: killed drivers and coordinators, interrupts. Slow: each starts Ray."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.runs.run import begin, go
from fedsilo.storage.run_folder import ROUNDS_LOCK, read_lines

RAYLET = re.compile(r"(\x1b\[\d+m)?\(raylet\)|\s*$")
"""Lines of Ray's own about a worker that died; they go to standard error."""

pytestmark = [pytest.mark.ray, pytest.mark.slow(50)]

ROUNDS = 90
"""Many short ones: a run is looked at from outside, and stopped several times before it is over."""

# FedOTP has both kinds of state: a shared prompt, and one that never leaves its client.
SCENARIO = f"""\
data: {{name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4}}
partition: {{clients: 2, label: {{name: dirichlet, beta: 1.0}}}}
method: {{name: fedotp, context_length: 2}}
training: {{rounds: {ROUNDS}, local_epochs: 1, batch_size: 4, optimizer: {{learning_rate: 0.1}}}}
evaluation: {{references: []}}
actors: {{start_timeout_s: 600, encoders: 1, object_store_mb: 100, retries: 1}}
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the scenario and a cache."""
    folder = tmp_path_factory.mktemp("ground")
    (folder / "s.yaml").write_text(SCENARIO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def whole(ground: Path) -> Any:
    """The hashes of the undisturbed run, made in this process; the features are in the cache then."""
    return go(begin(read(ground / "s.yaml", ["actors.backend=serial"]), ground / "serial")).result["hashes"]


@pytest.fixture
def fedsilo(ground: Path) -> Callable[..., subprocess.Popen[str]]:
    """Returns fedsilo(words...): a started process in the folder of the scenario."""

    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fedsilo", *words],
            cwd=ground,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Under nohup or a background job SIGINT is ignored, and a child would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return start


def result(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)


def wait_for(there: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """Waits for what a running process does."""
    deadline = time.monotonic() + 1200
    while time.monotonic() < deadline:
        if found := there():
            return found
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("the run did not get so far")


def count_rounds(folder: Path) -> int:
    return len(read_lines(folder / "rounds.jsonl"))


def read_coordinator(folder: Path) -> int:
    """The number of the process that runs the rounds, or ran the last ones; 0 before there was one."""
    path = folder / ROUNDS_LOCK
    found = re.search(r"number (\d+) on", path.read_text() if path.exists() else "")
    return int(found[1]) if found else 0


def wait_for_more_rounds(folder: Path, process: subprocess.Popen[str], before: int = 0) -> int:
    """Waits for rounds of another coordinator than the one before, and returns its number."""
    wait_for(lambda: read_coordinator(folder) not in (0, before), process)
    rounds = count_rounds(folder)
    wait_for(lambda: count_rounds(folder) > rounds, process)
    return read_coordinator(folder)


def test_a_run_that_is_interrupted_and_terminated_and_killed_resumes_to_the_hashes_of_the_whole_run(
    fedsilo: Any, whole: Any, ground: Path
) -> None:
    """One run, stopped in the three ways one after the other; the first stop is right after the first round."""
    folder, words, coordinator = ground / "stopped", ("run", "s.yaml", "--folder", "stopped"), 0
    for sign, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        process = fedsilo(*words)
        coordinator = wait_for_more_rounds(folder, process, coordinator)
        process.send_signal(sign)
        _, err = process.communicate()
        assert process.returncode == code, err
        assert "Traceback" not in err
        assert ("fedsilo resume stopped" in err) == (sign != signal.SIGKILL), err
        assert not (folder / "result.json").exists()
        words = ("resume", "stopped", "--json")
    assert result(fedsilo(*words))["hashes"] == whole
    assert [line["round"] for line in read_lines(folder / "rounds.jsonl")] == list(range(ROUNDS))


def test_a_killed_coordinator_is_started_again_and_one_that_is_killed_too_often_is_one_line(
    fedsilo: Any, whole: Any, ground: Path
) -> None:
    """Started again on the same clients; the second one's death stops the run, which resumes to the whole run's hashes.

    So does the resumed one's first coordinator, which costs that run a notice and no bit.
    """
    folder = ground / "killed"
    process, coordinator = fedsilo("run", "s.yaml", "--folder", "killed", "--json"), 0
    for _ in range(2):
        coordinator = wait_for_more_rounds(folder, process, coordinator)
        os.kill(coordinator, signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 2, err
    assert out == ""
    ours = [line for line in err.splitlines() if not RAYLET.match(line)]
    assert len(ours) == 1, err
    assert ours[0].startswith("the coordinator died: ")
    assert "`fedsilo resume killed`" in ours[0]
    assert not (folder / "result.json").exists()
    resumed = fedsilo("resume", "killed", "--json")
    os.kill(wait_for_more_rounds(folder, resumed, coordinator), signal.SIGKILL)
    survived = result(resumed)
    assert [line for line in survived["notices"] if "the coordinator died" in line], survived["notices"]
    assert survived["hashes"] == whole
    assert [line["round"] for line in read_lines(folder / "rounds.jsonl")] == list(range(ROUNDS))
