"""A run on a Ray of its own, looked at from outside: Prometheus's side of it, the log, `fedsilo top` by its name."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fedsilo.storage.run_folder import read_lines

pytestmark = [pytest.mark.ray, pytest.mark.slow(40)]
Found = TypeVar("Found")

SCENARIO = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2, feature: domains, label: {name: dirichlet, beta: 1.0}}
method: {name: promptfl, context_length: 2}
training: {rounds: 9000, batch_size: 4}
actors: {start_timeout_s: 600, encoders: 1, object_store_mb: 100}
tracking: {root: runs}
"""
SERIES = re.compile(r"(ray_fedsilo_\w+)\{(.*)\} ([-+.\deE]+)")


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder with a short name: Ray puts sockets below it, whose paths have a limit."""
    folder = Path(tempfile.mkdtemp(prefix="fs-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def environment(ground: Path) -> dict[str, str]:
    own = {"RAY_TMPDIR": str(ground), "RAY_ADDRESS": "local", "RAY_metrics_report_interval_ms": "1000"}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-this-test-and-of-nothing-else"}
    return {**os.environ, **own, **token, "FEDSILO_CACHE": str(ground / "cache")}


def wait_for(look: Callable[[], Found | None], what: str, seconds: float = 1200) -> Found:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.2)
    raise AssertionError(f"no {what}")


def ported(ground: Path, name: str) -> int | None:
    """A port that Ray says it listens at."""
    for path in ground.glob(f"ray/session_2*/{name}_*"):
        return int(path.read_text())
    return None


def scraped(ground: Path) -> dict[str, list[tuple[dict[str, str], float]]]:
    port = ported(ground, "metrics_export_port")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = map(SERIES.match, answer.read().decode().splitlines())
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for name, tags, value in (line.groups() for line in lines if line):
        found.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', tags)), float(value)))
    return found


def test_a_run_is_seen_from_outside(ground: Path) -> None:
    (ground / "s.yaml").write_text(SCENARIO)

    def fedsilo(*words: str, folder: Path = ground) -> Any:
        words = (sys.executable, "-m", "fedsilo", *words)
        return subprocess.Popen(
            words, cwd=folder, env=environment(ground), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    run = fedsilo("run", "s.yaml", "--json")
    try:
        folder = wait_for(
            lambda: next((f for f in ground.glob("runs/*") if len(read_lines(f / "rounds.jsonl")) > 3), None), "rounds"
        )

        found = wait_for(lambda: everything_scraped(ground), "metrics")
        check_metrics(found, folder)
        check_log(ground)
        check_top(fedsilo, folder, f"127.0.0.1:{ported(ground, 'gcs_server_port')}")
    finally:
        run.send_signal(signal.SIGINT)
        out, err = run.communicate()
    assert run.returncode == 130, out + err


def everything_scraped(ground: Path) -> dict[str, list[tuple[dict[str, str], float]]] | None:
    """All series that are checked, or None: each process reports its own ones, and not at the same time."""
    found = scraped(ground)
    methods = {name: {tags.get("method") for tags, _ in series} for name, series in found.items()}
    of_the_course = ("rounds_planned", "rounds_finished", "upload_bytes_total")
    of_clients = {tags["client"] for tags, _ in found.get("ray_fedsilo_client_accuracy_ratio", [])}
    complete = all("promptfl" in methods.get(f"ray_fedsilo_{name}", ()) for name in of_the_course)
    complete &= {"ray_fedsilo_zero_shot_accuracy_ratio", "ray_fedsilo_process_resident_bytes"} <= found.keys()
    return found if complete and len(of_clients) == 2 else None


def check_metrics(found: dict[str, list[tuple[dict[str, str], float]]], folder: Path) -> None:
    planned = {tags["method"]: value for tags, value in found["ray_fedsilo_rounds_planned"]}
    assert planned == {"zero_shot": 1, "promptfl": 9000}
    assert {tags["run"] for tags, _ in found["ray_fedsilo_rounds_planned"]} == {folder.name}
    lines = {line["round"]: line for line in read_lines(folder / "rounds.jsonl")}
    (finished,) = [v for tags, v in found["ray_fedsilo_rounds_finished"] if tags["method"] == "promptfl"]
    assert 1 <= finished <= len(lines)
    (up,) = [v for tags, v in found["ray_fedsilo_upload_bytes_total"] if tags["method"] == "promptfl"]
    assert up % lines[0]["upload_bytes"] == 0
    assert 0 < up <= sum(line["upload_bytes"] for line in lines.values())
    clients = {(tags["client"], tags["domain"]) for tags, _ in found["ray_fedsilo_client_accuracy_ratio"]}
    assert clients == {("00", "sketch"), ("01", "neon")}
    assert all(value > 10 << 20 for _, value in found["ray_fedsilo_process_resident_bytes"])
    assert "ray_fedsilo_epsilon" not in found


def check_log(ground: Path) -> None:
    written = "".join(path.read_text() for path in ground.glob("ray/session_2*/logs/worker-*.err"))
    assert re.search(r"INFO +client 01 neon, round 0: trained in \d+\.\d\d s, loss \d", written)
    assert re.search(r"INFO +coordinator, promptfl, round 0 of 9000: 2 clients, loss", written)
    assert re.search(r"INFO +encoder: \d+ images in", written)


def check_top(fedsilo: Any, folder: Path, address: str) -> None:
    """From a folder in which the run is not to be found."""
    elsewhere = folder.parent.parent / "elsewhere"
    elsewhere.mkdir()
    sound = fedsilo("top", folder.name, "--address", address, "--json", folder=elsewhere)
    wrong = fedsilo("top", "another", "--address", address, "--once", folder=elsewhere)
    out, err = sound.communicate()
    assert sound.returncode == 0, err
    document = json.loads(out)
    assert (document["run"], document["state"], document["chance"]) == (folder.name, "running", 0.25)
    _, course = document["courses"]
    assert (course["name"], course["planned"]) == ("promptfl", 9000)
    assert course["finished"] > 3
    assert len(course["slowest"]) == 2
    out, err = wrong.communicate()
    assert (wrong.returncode, out) == (2, "")
    assert err.splitlines()[-1] == (
        f"another: no run of that name has a coordinator on the cluster. Running there: {folder.name}."
    )
