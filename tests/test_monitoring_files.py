"""Files for Prometheus and Grafana: they name what the code measures, no more and no less, and can be read."""

import importlib.util
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedsilo.tasks.classification import Classification
from fedsilo_actors.monitoring.ray_metrics import list_metrics

METRICS = list_metrics(Classification().measured)
FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "monitoring"
CONFIGS = sorted(FOLDER.glob("prometheus*.yml"))


@pytest.fixture(scope="module")
def dashboard() -> Any:
    return json.loads((FOLDER / "grafana-dashboard.json").read_text())


def expressions(dashboard: Any) -> list[str]:
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return queries + [variable.get("definition", "") for variable in dashboard["templating"]["list"]]


def test_the_dashboard_shows_every_metric_and_none_that_does_not_exist(dashboard: Any) -> None:
    named = set(re.findall(r"\bray_fedsilo_\w+", " ".join(expressions(dashboard))))
    assert named == {metric.exported for metric in METRICS}


def test_every_metric_is_asked_for_by_tags_that_it_has(dashboard: Any) -> None:
    known = {metric.exported: {*metric.tags} for metric in METRICS}
    for expression in expressions(dashboard):
        for name, selector in re.findall(r"(ray_fedsilo_\w+)(?:\{([^}]*)\})?", expression):
            tags = set(re.findall(r"(\w+)=~", selector)) | set(
                re.findall(r"\w+", "".join(re.findall(r"by \(([^)]*)\)", expression)))
            )
            assert tags <= known[name], expression


def test_the_dashboard_can_be_imported_anywhere(dashboard: Any) -> None:
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names == ["datasource", "run", "method"]
    for panel in dashboard["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert dashboard["schemaVersion"] >= 36


def test_panels_do_not_lie_on_each_other(dashboard: Any) -> None:
    cells = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not own & cells, panel["title"]
        cells |= own


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_prometheus_can_read_its_configuration(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert [job["job_name"] for job in document["scrape_configs"]] == ["ray"]
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([program, "check", "config", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_on_monitoring_lists_every_metric_with_its_tags() -> None:
    text = (FOLDER.parent.parent / "docs" / "monitoring.md").read_text()
    for metric in METRICS:
        assert f"| `{metric.exported}` | {', '.join(metric.tags)} | {metric.meaning} |" in text
    assert text.count("| `ray_fedsilo_") == len(METRICS)


@pytest.fixture(scope="module")
def watch() -> Any:
    """The program, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("watch", FOLDER / "watch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_prometheus_the_run_is_watched_in_the_dashboard_alone(
    watch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert watch._start_prometheus(tmp_path, 9) == []
    assert capsys.readouterr().err.splitlines() == [
        "prometheus is not installed (Debian: apt-get install prometheus): the Ray dashboard alone"
    ]


def test_a_prometheus_that_does_not_start_is_one_line_with_its_own_last_one(
    watch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\necho first\necho no room on the disk >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    (process,) = watch._start_prometheus(tmp_path, 9)
    watch._stop(process)
    assert "first" not in (told := capsys.readouterr().err)
    assert told.splitlines() == ["prometheus did not start, the Ray dashboard alone: no room on the disk"]
    assert str(tmp_path / "ray") in (tmp_path / "prometheus.yml").read_text()


def test_what_was_started_is_stopped_by_force_where_it_does_not_listen(
    watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STOP_S", 0.3)
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); time.sleep(3600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        watch._stop(process)
        assert process.returncode == -signal.SIGKILL


def test_a_port_that_is_taken_is_passed_over(watch: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert watch._free_port(port) > port
