"""Runs on a real cluster of this machine that shares no code with us: submitted, stopped, resumed, and by ray://."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.runs.run import begin, go
from fedsilo.simulation.preparation import partition_of
from fedsilo.storage.run_folder import read_lines

pytestmark = [pytest.mark.ray, pytest.mark.slow(50)]

SCENARIO = """\
extends: base.yaml
method: {name: "lab_of_clusters:Mine", context_length: 2}
partition: {name: manifest, file: frozen.json}
actors: {start_timeout_s: 600, encoders: 1, cpus_per_client: 0.5, object_store_mb: 100}
tracking: {root: shared}
"""
BASE = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
training: {rounds: 40, local_epochs: 2, batch_size: 4, optimizer: {learning_rate: 0.1}}
"""
LAB = """\
from dataclasses import dataclass
from pathlib import Path
import fedsilo
from fedsilo.methods.promptfl import PromptFL

@dataclass(frozen=True)
class Mine(PromptFL):
    def initial_private(self, model, seed, client):
        with Path(NOTES).open("a") as notes:
            notes.write(f"{__file__} {fedsilo.__file__}\\n")
        return {}
"""
TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Head:
    """A cluster of one node.

    Attributes:
        jobs: Address of its job server.
        client: Address for Ray's client.
    """

    jobs: str
    client: str


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fs") as short:  # sockets of Ray's have no room for long names
        yield Path(short)


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    """What head and users have in common; PYTHONPATH, and so our code, is none of it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("RAY_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ray = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    return {**kept, **ray, "PATH": path, "FEDSILO_CACHE": str(folder / "cache"), "COLUMNS": "200"}


@pytest.fixture(scope="module")
def head(folder: Path, environment: dict[str, str]) -> Iterator[Head]:
    names = ("port", "ray-client-server-port", "dashboard-port", "dashboard-agent-listen-port", "metrics-export-port")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    words = [word for name, port in ports.items() for word in (f"--{name}", str(port))]
    words += ["--min-worker-port", "0", "--max-worker-port", "0", "--num-cpus", "2", "--temp-dir", str(folder / "ray")]
    (folder / "head").mkdir()
    start = ["ray", "start", "--head", "--block", "--object-store-memory", "100000000", *words]
    with (folder / "head" / "log").open("w") as log:
        process = subprocess.Popen(start, env=environment, cwd=folder / "head", stdout=log, stderr=log)
    at = Head(f"http://127.0.0.1:{ports['dashboard-port']}", f"ray://127.0.0.1:{ports['ray-client-server-port']}")
    try:
        wait_until(lambda: "Ray runtime started" in (folder / "head" / "log").read_text(), 1200)
        yield at
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def fedsilo(folder: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Returns fedsilo(words..., code=0): how it ended, in the user's folder with the user's code."""
    home = folder / "home"
    home.mkdir()
    (home / "base.yaml").write_text(BASE)
    (home / "s.yaml").write_text(SCENARIO)
    (home / "lab_of_clusters.py").write_text(LAB.replace("NOTES", repr(str(folder / "notes"))))
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])

    def call(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "fedsilo", *words],
            cwd=home,
            env={**environment, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    partition_of(read(home / "base.yaml", ["partition.clients=2"]))[1].write(home / "frozen.json")
    return call


@pytest.fixture(scope="module")
def hashes(fedsilo: Any, folder: Path) -> Any:
    """Those of the whole run, in this process; its features are in the cache then."""
    changes = ["actors.backend=serial", "actors.cpus_per_client=0", "actors.object_store_mb=0", "actors.encoders=0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(folder / "cache"))
        patch.syspath_prepend(str(folder / "home"))
        patch.chdir(folder / "home")
        return go(begin(read("s.yaml", changes), folder / "serial")).result["hashes"]


def wait_until(there: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_submitted_run_is_stopped_and_resumed_to_the_hashes_of_the_whole_run(
    fedsilo: Any, head: Head, folder: Path, environment: dict[str, str], hashes: Any
) -> None:
    run = folder / "home" / "shared" / "first"
    told = fedsilo("submit", "s.yaml", "--address", head.jobs, "--name", "first").stdout
    assert told.splitlines()[1] == f"job: first   run: {run} (on the cluster)"
    wait_until(lambda: len(read_lines(run / "rounds.jsonl")) > 2, 1200)
    stop = [*next(line for line in told.splitlines() if line.startswith("stop:")).split()[1:]]
    subprocess.run(stop, env=environment, check=True, capture_output=True)
    assert not (run / "result.json").exists()
    resumed = fedsilo("submit", "--resume", str(run), "--address", head.jobs, "--follow").stdout
    assert f"report: {run / 'report.html'}" in resumed
    assert json.loads((run / "result.json").read_text())["hashes"] == hashes
    lab, ours = (folder / "notes").read_text().splitlines()[-1].split()
    # Both came with the job; the tree that these tests run on was on no process's path there.
    assert "runtime_resources/working_dir_files" in lab, lab
    assert "runtime_resources/py_modules_files" in ours, ours


def test_what_goes_wrong_in_a_job_is_its_exit_code_and_a_line_in_its_output(fedsilo: Any, head: Head) -> None:
    words = ("data.name=image_folder", "data.root=/nowhere/to/be/found", "partition.name=composed")
    told = fedsilo("submit", "s.yaml", "--address", head.jobs, "--name", "second", "--follow", *words, code=2)
    assert "data.root: there is no folder or zip '/nowhere/to/be/found'" in told.stdout, told.stderr
    again = fedsilo("submit", "s.yaml", "--address", head.jobs, "--name", "second", code=2)
    assert len(again.stderr.splitlines()) == 1, again.stderr
    assert "second already exists" in again.stderr


def test_a_run_by_rays_client_has_the_hashes_of_the_whole_run(fedsilo: Any, head: Head, hashes: Any) -> None:
    words = (f"actors.address={head.client}", "actors.object_store_mb=0")
    assert json.loads(fedsilo("run", "s.yaml", "--json", *words).stdout)["hashes"] == hashes
