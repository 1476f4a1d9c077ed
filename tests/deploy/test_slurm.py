"""The batch script on two machines that are this one: Slurm's own commands are stand-ins, Ray and fedsilo are real."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.runs.run import begin, go
from fedsilo.storage.run_folder import read_lines

pytestmark = [pytest.mark.ray, pytest.mark.slow(60)]

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "slurm.sh"
SCENARIO = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2, label: {name: dirichlet, beta: 1.0}}
method: {name: promptfl, context_length: 2}
training: {rounds: 60, local_epochs: 1, batch_size: 4, optimizer: {learning_rate: 0.1}}
actors: {start_timeout_s: 600, cpus_per_client: 1, object_store_mb: 100}
"""
SRUN = """\
#!/bin/bash
# A step on this machine: its own options are passed over, a signal reaches the command.
while [[ $1 == --* ]]; do shift; done
exec env RAY_memory_monitor_refresh_ms=0 "$@" --object-store-memory 80000000
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fs") as short:  # sockets of Ray's have no room for long names
        yield Path(short)


def free_job() -> int:
    """A number whose ports are free."""
    for job in range(os.getpid(), os.getpid() + 200):
        base = 10_000 + job % 200 * 100
        try:
            for port in (base, base + 1, base + 2, base + 12):
                with socket.socket() as one:
                    one.bind(("", port))
        except OSError:
            continue
        return job
    raise AssertionError("no range of ports is free")


@pytest.fixture
def sbatch(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Returns sbatch(): the script as Slurm would start it, always as the same job."""
    commands = folder / "bin"
    commands.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", "#!/bin/sh\necho 127.0.0.1\necho localhost\n")):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    (folder / "s.yaml").write_text(SCENARIO)
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    job = {"SLURM_JOB_ID": str(free_job()), "SLURM_JOB_NODELIST": "m[1-2]", "SLURM_CPUS_ON_NODE": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    here = {"PATH": path, "FEDSILO_CACHE": str(folder / "cache"), "FEDSILO_RAY_TEMP": str(folder / "ray")}

    def start() -> subprocess.Popen[str]:
        command = [str(SCRIPT), "s.yaml", "actors.timeout_s=600"]
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(command, cwd=folder, env={**kept, **here, **job}, stdout=pipe, stderr=pipe, text=True)
        )
        return started[-1]

    started: list[subprocess.Popen[str]] = []
    yield start
    for process in started:
        process.terminate()  # nothing is left of it where a test goes wrong
        process.communicate()


def run_of(folder: Path, rounds: int, process: Any) -> Path:
    """The run's folder, once it has so many rounds."""
    deadline = time.monotonic() + 1200
    while time.monotonic() < deadline:
        for path in (folder / "runs").glob("*/rounds.jsonl"):
            if len(read_lines(path)) >= rounds:
                return path.parent
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the run did not get so far")


def test_a_job_that_is_requeued_goes_on_to_the_hashes_of_the_whole_run(
    sbatch: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDSILO_CACHE", str(folder / "cache"))  # with features in it no encoder is started
    changes = ["actors.backend=serial", "actors.cpus_per_client=0"]
    whole = go(begin(read(folder / "s.yaml", changes), folder / "serial"))
    first = sbatch()
    run = run_of(folder, 3, first)
    first.send_signal(signal.SIGTERM)  # its time is over, or a more important job came
    _, told = first.communicate()
    assert first.returncode == 143, told
    assert f"fedsilo resume runs/{run.name}" in told
    assert not (run / "result.json").exists()
    again = sbatch()
    out, told = again.communicate()
    assert again.returncode == 0, told
    assert f"run: {run}" in out
    assert json.loads((run / "result.json").read_text())["hashes"] == whole.result["hashes"]
    logs = sorted(path.name for path in (folder / "runs").glob("*.log"))
    assert logs == [f"{run.name}.ray.127.0.0.1.log", f"{run.name}.ray.localhost.log"]


def test_machines_on_which_ray_does_not_start_are_one_line(sbatch: Any, folder: Path) -> None:
    (folder / "bin" / "srun").write_text("#!/bin/sh\necho no GPU today\nexit 1\n")
    process = sbatch()
    _, told = process.communicate()
    assert process.returncode == 1
    assert told.startswith("slurm.sh: Ray ended on a machine as soon as it was started, see runs/s-")
    assert len(told.splitlines()) == 1, told
