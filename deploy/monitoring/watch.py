"""Runs a scenario with the Ray dashboard and, where it is installed, a Prometheus that gathers the run's metrics.

    python deploy/monitoring/watch.py scenarios/quickstart.yaml [KEY=VALUE]... [--linger SECONDS]

Ray has a temporary folder of its own here, so that no other Ray on the machine is met; whatever was started is stopped
in the end, by its own process only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
DISCOVERY = "ray/prom_metrics_service_discovery.json"
"""Where Ray lists its endpoints, below its temporary folder."""

START_S = 180.0
"""Longest wait for Ray to be there."""

READY_S = 30.0
"""Longest wait for Prometheus to answer."""

STOP_S = 30.0
"""Longest wait for a process to end by itself after it was asked to."""

GRAPH = "/graph?g0.expr=ray_fedsilo_local_accuracy_ratio&g0.tab=0&g0.range_input=10m"


def main() -> int:
    """Returns the exit code of the run."""
    asked = _arguments(sys.argv[1:])
    folder = Path(tempfile.mkdtemp(prefix="fs-"))  # short: Ray puts sockets below it, whose paths have a limit
    port = _free_port(9090)
    started: list[subprocess.Popen[bytes]] = []
    try:
        run = _start_run(asked, folder, port)
        started.append(run)
        if _wait_for_ray(run, folder):
            _say("the Ray dashboard may ask for a token: `ray get-auth-token` prints it")
            started += _start_prometheus(folder, port)
        code = run.wait()
        if len(started) > 1 and asked.linger:
            _say(f"the run has ended; Prometheus stays for {asked.linger:g} s, Ctrl-C ends it")
            time.sleep(asked.linger)
        return code
    except KeyboardInterrupt:
        return 130
    finally:
        for process in reversed(started):
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenario", help="scenario file")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="changes, as of `fedsilo run`")
    parser.add_argument("--linger", type=float, default=0.0, help="seconds that Prometheus stays after the run")
    return parser.parse_args(words)


def _start_run(asked: argparse.Namespace, folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "RAY_TMPDIR": str(folder),
        "RAY_ADDRESS": "local",
        "RAY_PROMETHEUS_HOST": f"http://127.0.0.1:{port}",
        "RAY_metrics_report_interval_ms": "2000",  # ten seconds are long where a run takes a minute
    }
    words = ["run", asked.scenario, "actors.backend=ray", "actors.address=", "actors.dashboard=true", *asked.changes]
    return subprocess.Popen([sys.executable, "-m", "fedsilo", *words], env=environment, start_new_session=True)


def _wait_for_ray(run: subprocess.Popen[bytes], folder: Path) -> bool:
    """Whether Ray lists its endpoints before the run has ended or the time is up."""
    deadline = time.monotonic() + START_S
    while run.poll() is None and time.monotonic() < deadline:
        if (folder / DISCOVERY).exists():
            return True
        time.sleep(0.2)
    return False


def _start_prometheus(folder: Path, port: int) -> list[subprocess.Popen[bytes]]:
    """The process, or none where there is no Prometheus, or none that works: the run goes on without."""
    program = shutil.which("prometheus")
    if program is None:
        _say("prometheus is not installed (Debian: apt-get install prometheus): the Ray dashboard alone")
        return []
    text = (HERE / "prometheus.yml").read_text(encoding="utf-8")
    (folder / "prometheus.yml").write_text(text.replace(f"/tmp/{DISCOVERY}", str(folder / DISCOVERY)), "utf-8")
    words = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    words.append(f"--web.listen-address=127.0.0.1:{port}")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([program, *words], stdout=log, stderr=log, start_new_session=True)
    if _is_ready(process, port):
        _say(f"Prometheus: http://127.0.0.1:{port}{GRAPH}")
        dashboard = os.path.relpath(HERE / "grafana-dashboard.json")
        _say(f"Grafana: import {dashboard} with http://127.0.0.1:{port} as data source")
    else:
        last = (folder / "prometheus.log").read_text(errors="replace").strip().splitlines()[-1:]
        _say(f"prometheus did not start, the Ray dashboard alone: {''.join(last)}")
    return [process]


def _is_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process as Ctrl-C does, and by force when it does not."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)


def _free_port(first: int) -> int:
    """The first port from there on without a listener."""
    for port in range(first, first + 100):
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit(f"no port from {first} to {first + 99} is free")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
