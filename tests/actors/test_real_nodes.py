"""Two Rays started by hand, as on two machines, and a run that joins them: the numbers of one on this machine alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.runs.run import begin, go

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SCENARIO = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 3, label: {name: dirichlet, beta: 1.0}}
method: {name: promptfl, context_length: 2}
training: {rounds: 3, batch_size: 4, optimizer: {learning_rate: 0.1}}
actors:
  {start_timeout_s: 600, encoders: 1, placement: spread, cpus_per_client: 0.5, clients: {0: {labels: {zone: far}}}}
"""


TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-this-test-and-of-nothing-else"}


@contextmanager
def node(*words: str) -> Iterator[None]:
    """A Ray of one's own in a session of its own; all that it started ends with it."""
    command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1"]
    memory = f"--object-store-memory={80 << 20}"
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        [*command, memory, *words], env={**os.environ, **TOKEN}, start_new_session=True, **silent
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_a_run_over_two_started_nodes_is_the_run_on_one(tmp_path: Path, cache_folder: Path) -> None:
    """The driver's folder is another than the nodes', and `tracking.root` is relative to the former."""
    (tmp_path / "s.yaml").write_text(SCENARIO)
    serial = go(begin(read(tmp_path / "s.yaml", ["actors.backend=serial"]), tmp_path / "serial")).result
    address = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        sessions = stack.enter_context(tempfile.TemporaryDirectory(prefix="rn", ignore_cleanup_errors=True))
        host, port = address.split(":")
        head = (f"--port={port}", f"--node-ip-address={host}", "--include-dashboard=false", f"--temp-dir={sessions}")
        stack.enter_context(node("--head", *head))
        stack.enter_context(node(f"--address={address}", f"--node-ip-address={host}", "--labels=zone=far"))
        words = ["run", "s.yaml", "--json", f"actors.address={address}", "actors.wait_for_nodes=true"]
        command = [sys.executable, "-m", "fedsilo", *words, "tracking.root=joined"]
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **TOKEN}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    joined = json.loads(done.stdout)
    assert joined["hashes"] == serial["hashes"]
    assert joined["sha256"] == serial["sha256"]
