"""Every command as a user types it: its output and its exit code."""

import errno
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from fedsilo import __version__
from fedsilo.cli import main
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import Budget
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.storage.run_folder import read_lines

SMALL = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 3, label: {name: dirichlet, beta: 1.0}}
method: {name: promptfl, context_length: 2}
training: {rounds: 2, batch_size: 8, optimizer: {learning_rate: 0.1}}
actors: {backend: serial}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    stdout: str
    stderr: str


class Shell:
    """Runs fedsilo in a folder with a cache of its own: in this process, or in another one where that matters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"FEDSILO_CACHE": str(folder / "cache"), "COLUMNS": "200"}
        (folder / "small.yaml").write_text(SMALL)

    def __call__(self, *words: str, code: int = 0) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["fedsilo", *words])
            for name, value in self.environment.items():
                patch.setenv(name, value)
            try:
                main()
                ended: Any = 0
            except SystemExit as exit:
                ended = exit.code or 0
        assert ended == code, out.getvalue() + err.getvalue()
        return Done(out.getvalue(), err.getvalue())

    def apart(self, *words: str, code: int = 0, **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "fedsilo", *words],
            cwd=self.folder,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return Done(done.stdout, done.stderr)

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def finished(shell: Shell) -> dict[str, Any]:
    document: dict[str, Any] = shell.json("run", "small.yaml")
    return document


def test_run_prints_nothing_but_its_result_as_json(finished: dict[str, Any]) -> None:
    assert [row["method"] for row in finished["rows"]] == ["chance", "zero_shot", "promptfl"]
    assert re.fullmatch(r"[0-9a-f]{64}", finished["sha256"])


def test_run_prints_a_table_and_where_everything_is(shell: Shell) -> None:
    done = shell("run", "small.yaml", "training.rounds=1", "name=again")
    assert "again: accuracy in %" in done.stdout
    assert all(word in done.stdout for word in ("chance", "zero_shot", "promptfl", "run: runs", "sha256"))
    assert done.stderr == ""


@pytest.mark.slow
def test_hashes_do_not_depend_on_the_hash_seed(shell: Shell, finished: dict[str, Any]) -> None:
    """The run that it is compared with has this process's hash seed, which is another one each time."""
    again = json.loads(shell.apart("run", "small.yaml", "--json", PYTHONHASHSEED="4242").stdout)
    assert again["sha256"] == finished["sha256"]


def test_a_fault_is_one_line_without_a_traceback_in_a_process_of_its_own(shell: Shell) -> None:
    done = shell.apart("run", "small.yaml", "training.rounds=ten", code=2)
    first, *rest = done.stderr.splitlines()
    assert first == f"fedsilo {__version__}: small.yaml"
    assert rest == ["command line: training.rounds: must be a whole number >= 1, got 'ten'."]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ("training.optimizer.learning_rate=3e38", "Lower training.optimizer.learning_rate=3e+38."),
        ("training.optimizer={name: adam, learning_rate: 1e38}", "Lower training.optimizer.learning_rate=1e+38."),
    ],
)
def test_a_run_that_diverges_is_one_line_and_leaves_no_state(shell: Shell, change: str, remedy: str) -> None:
    words = ("run", "small.yaml", "--folder", "diverged", "--quiet", change)
    try:
        error = shell(*words, code=2).stderr
        assert re.fullmatch(r"client 0, round 0, exchange 0, stage 'train': [^\n]+\n", error)
        assert error.endswith(f"{remedy}\n")
        assert not list((shell.folder / "diverged" / "checkpoints").glob("*"))
        Image.new("RGB", (8, 8)).save(shell.folder / "black.png")
        refused = shell("predict", "diverged", "--client", "0", "black.png", code=2).stderr
        assert "has no prompts yet: no round has finished" in refused
    finally:
        shutil.rmtree(shell.folder / "diverged", ignore_errors=True)


def test_show_reads_a_run_back(shell: Shell, finished: dict[str, Any]) -> None:
    done = shell("show", finished["run"])
    assert "rounds" in done.stdout
    assert "clients, last evaluation" in done.stdout
    assert "features, sliced" in done.stdout
    document = shell.json("show", finished["run"])
    assert document["finished"]
    assert len(document["rounds"]) == 2
    assert document["result"]["sha256"] == finished["sha256"]


def test_show_tells_the_slowest_client_of_the_newest_round(shell: Shell, finished: dict[str, Any]) -> None:
    (line,) = (line for line in shell("show", finished["run"]).stdout.splitlines() if line.startswith("slowest"))
    last = read_lines(shell.folder / finished["run"] / "rounds.jsonl")[-1]
    slowest, whole = last["slowest"], last["seconds"]["train"]
    assert line == (
        f"slowest: client {slowest['client']:02d}, {slowest['seconds']:.2g} s of {whole:.2g} s of training in round "
        f"{last['round']}; half of the clients took up to {slowest['median']:.2g} s"
    )


def test_resuming_a_finished_run_shows_it_again(shell: Shell, finished: dict[str, Any]) -> None:
    assert shell.json("resume", finished["run"])["sha256"] == finished["sha256"]


def test_predict_classifies_image_files(shell: Shell, finished: dict[str, Any]) -> None:
    from fedsilo.data.datasets.emblems import Emblems

    image = Emblems(classes=4, domains=("sketch", "neon")).load(0).test.fetch(0)
    image.save(shell.folder / "one.png")
    Image.new("L", (30, 50)).save(shell.folder / "grey.jpg")
    rows = shell.json("predict", finished["run"], "--client", "1", "one.png", "grey.jpg")
    assert [row["image"] for row in rows] == ["one.png", "grey.jpg"]
    assert all(0.25 <= row["probability"] <= 1 for row in rows)
    assert "next best" in shell("predict", finished["run"], "--client", "1", "one.png").stdout


def test_predict_says_that_a_damaged_checkpoint_was_passed_over(shell: Shell, finished: dict[str, Any]) -> None:
    folder = Path(shutil.copytree(shell.folder / finished["run"], shell.folder / "cut off"))
    try:
        (folder / "checkpoints" / "round-0001" / "shared.safetensors").write_bytes(b"cut off")
        Image.linear_gradient("L").save(shell.folder / "grey.png")
        done = shell("predict", "cut off", "--client", "1", "grey.png", "--json")
        assert re.fullmatch(r"passed over [^\n]*round-0001[^\n]* round 0\.\n", done.stderr)
        assert len(json.loads(done.stdout)) == 1
    finally:
        shutil.rmtree(folder)


def test_predict_sees_what_training_sees_of_a_deep_image_and_says_so(shell: Shell, finished: dict[str, Any]) -> None:
    values = np.arange(64 * 64).reshape(64, 64)
    Image.fromarray(values.astype(np.uint16)).save(shell.folder / "deep.tif")
    Image.fromarray(np.floor(values / 4095 * 255 + 0.5).astype(np.uint8)).save(shell.folder / "plain.png")
    done = shell("predict", finished["run"], "--client", "1", "deep.tif", "plain.png", "--json")
    deep, plain = json.loads(done.stdout)
    assert {**deep, "image": ""} == {**plain, "image": ""}
    assert "(1): deep.tif." in done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run", "nothing.yaml"), "nothing.yaml"),
        (("run", "small.yaml", "training.rounds=0"), "training.rounds: must be a whole number >= 1, got 0"),
        (("run", "small.yaml", "method=fedpromt"), "no method 'fedpromt'"),
        (("run", "small.yaml", "partition.clients=0"), "clients"),
        (("run", "small.yaml", "partition.clients=1000"), "1000"),
        (("validate", "small.yaml", "sed=1"), "sed: unknown key. Did you mean 'seed'?"),
        (("show", "runs/none"), "there is no such run"),
        (("show", "."), "no scenario.yaml"),
        (("resume", "small.yaml"), "not a run folder"),
        (("describe", "metod"), "metod"),
        (("describe", "method", "promtfl"), "promptfl"),
        (("new", "small.yaml"), "exists"),
        (("new", "no/such/folder/x.yaml"), "cannot be written"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(shell: Shell, words: tuple[str, ...], line: str) -> None:
    before = sorted(path.name for path in shell.folder.glob("runs/*"))
    done = shell(*words, code=2)
    assert done.stdout == ""
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in shell.folder.glob("runs/*")) == before


def test_predict_names_a_file_that_is_no_image(shell: Shell, finished: dict[str, Any]) -> None:
    for name, line in (("small.yaml", "is not an image"), ("gone.png", "there is no such image")):
        assert line in shell("predict", finished["run"], "--client", "0", name, code=2).stderr
    Image.new("RGB", (8, 8)).save(shell.folder / "plain.png")
    assert "there is no client 9" in shell("predict", finished["run"], "--client", "9", "plain.png", code=2).stderr


def test_partition_saves_manifest_and_picture_and_a_run_can_take_it(shell: Shell, finished: dict[str, Any]) -> None:
    done = shell("partition", "small.yaml", "--out", "split")
    assert "most of" in done.stdout
    with Image.open(shell.folder / "split" / "partition.png") as picture:
        assert picture.size[0] > 300
    words = ("partition=manifest", "partition.file=split/partition.json")
    again = shell.json("run", "small.yaml", *words)
    assert again["sha256"] == finished["sha256"]
    assert "made from other data" in shell("run", "small.yaml", *words, "seed=3", code=2).stderr


def test_new_writes_a_scenario_that_is_valid(shell: Shell) -> None:
    shell("new", "mine.yaml")
    assert "#" in (shell.folder / "mine.yaml").read_text()
    assert shell.json("validate", "mine.yaml")["name"] == "mine"


def test_list_describe_and_cache_answer(shell: Shell, finished: dict[str, Any]) -> None:
    assert "promptfl" in shell.json("list")["methods"]
    assert "emblems" in shell("list").stdout
    assert any(row["key"].endswith("context_length") for row in shell.json("describe", "method", "promptfl"))
    every = shell("describe").stdout
    assert all(key in every for key in ("training.rounds", "method.context_length", "data.root", "actors.backend"))
    assert shell.json("cache", "ls")["entries"] > 0
    shell("cache", "clear")
    assert shell.json("cache", "ls")["entries"] == 0


def test_an_unwritable_root_stops_before_any_work(shell: Shell) -> None:
    (shell.folder / "file").write_text("")
    assert "tracking.root" in shell("run", "small.yaml", "tracking.root=file", code=2).stderr


def test_data_that_changed_under_a_run_are_refused_on_resume(shell: Shell, finished: dict[str, Any]) -> None:
    folder = shell.folder / finished["run"]
    copy = shell.folder / "runs" / "copy"
    subprocess.run(["cp", "-r", folder, copy], check=True)
    (copy / "result.json").unlink()
    text = (copy / "scenario.yaml").read_text()
    (copy / "scenario.yaml").write_text(text.replace("train_per_class_and_domain: 4", "train_per_class_and_domain: 5"))
    assert "data or partition differ from those the run began with" in shell("resume", "runs/copy", code=2).stderr
    (copy / "scenario.yaml").write_text(text.replace("pretrained: ''", "pretrained: random"))
    assert "backbone's weights differ from those" in shell("resume", "runs/copy", code=2).stderr
    (copy / "scenario.yaml").write_text(text.replace("learning_rate: 0.1", "learning_rate: 0.2"))
    assert "scenario's settings differ from those" in shell("resume", "runs/copy", code=2).stderr
    (copy / "scenario.yaml").write_text(text.replace("name: small", "name: moved").replace("root: runs", "root: other"))
    assert shell.json("resume", "runs/copy")["sha256"] == finished["sha256"]


def test_a_run_at_work_is_left_alone_by_a_second_process_and_stops_resumably_when_terminated(shell: Shell) -> None:
    words = ("run", "small.yaml", "training.rounds=100000", "tracking.root=long")
    first = subprocess.Popen(
        [sys.executable, "-m", "fedsilo", *words],
        cwd=shell.folder,
        env={**os.environ, **shell.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        folder = wait_for(lambda: next(shell.folder.glob("long/*/rounds.jsonl"), None)).parent
        run = str(folder.relative_to(shell.folder))
        done = shell("resume", run, code=2)
        assert re.fullmatch(
            rf"{run}: another process \(number {first.pid} on .*\) is running in it\. .*\n", done.stderr
        )
        assert first.poll() is None
        first.terminate()
        out, err = first.communicate()
    finally:
        first.kill()
    assert (first.returncode, out) == (143, "")
    assert err.splitlines()[1:] == [f"stopped. Continue with: fedsilo resume {run}"]
    assert "not finished" in shell("show", run).stdout


def wait_for(found: Callable[[], Path | None], seconds: float = 1200.0) -> Path:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path := found():
            return path
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def test_names_may_be_what_rich_takes_for_its_marks(shell: Shell, finished: dict[str, Any]) -> None:
    Image.new("RGB", (30, 50)).save(shell.folder / "[red]a[__b].png")
    assert "[red]a[__b].png" in shell("predict", finished["run"], "--client", "1", "[red]a[__b].png").stdout
    Image.new("RGB", (30, 50)).save(shell.folder / "[bold] :key: .png")
    assert "[bold] :key: .png" in shell("predict", finished["run"], "--client", "1", "[bold] :key: .png").stdout


def test_json_has_no_word_that_is_not_json(shell: Shell) -> None:
    run = shell.json("run", "small.yaml", "method=zero_shot", "name=floor")["run"]

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    for text in (shell("show", run, "--json").stdout, (shell.folder / run / "rounds.jsonl").read_text()):
        assert json.loads(text, parse_constant=refuse)
    assert "rounds" in shell("show", run).stdout


@pytest.mark.parametrize(
    "fails", ["scenario.yaml", "partition.json", "partition.png", "heterogeneity.json", "rounds.jsonl", "result.json"]
)
def test_a_disk_that_is_full_at_any_file_is_one_line_and_the_run_goes_on_later(
    shell: Shell, finished: dict[str, Any], monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    real = Path.open

    def full(self: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "r" not in mode and fails in self.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return real(self, mode, *rest, **named)

    root = f"full-{fails}"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        done = shell("run", "small.yaml", f"tracking.root={root}", code=2)
    assert "No space left on device" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    folders = [path for path in (shell.folder / root).iterdir() if (path / "scenario.yaml").exists()]
    if folders and (folders[0] / "data.json").exists():
        again = shell.json("resume", str(folders[0].relative_to(shell.folder)))
        assert again["sha256"] == finished["sha256"]


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda r: r.pop("rows"), "rows is missing"),
        (lambda r: r.update(rows=[{"method": "x"}]), "rows[0].role is missing"),
        (lambda r: r["rows"][1].update(local_accuracy="high"), "rows[1].local_accuracy must be a number"),
        (lambda r: r.update(warnings="none"), "warnings must be a list"),
        (lambda r: r.update(privacy={"epsilon": 3}), "privacy.delta is missing"),
        (lambda r: r.update(headline={"last_rounds": True}), "headline.value is missing"),
        (lambda r: r.clear(), "scenario is missing"),
    ],
)
def test_a_result_of_another_make_is_one_line(shell: Shell, finished: dict[str, Any], edit: Any, line: str) -> None:
    copy = shell.folder / "foreign"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(shell.folder / finished["run"], copy)
    document = json.loads((copy / "result.json").read_text())
    edit(document)
    (copy / "result.json").write_text(json.dumps(document))
    for words in (("show", "foreign"), ("resume", "foreign"), ("compare", "foreign", finished["run"])):
        stderr = shell(*words, code=2).stderr
        assert f"foreign/result.json: is not a result of this version: {line}. Remove it, and" in stderr
        assert len(stderr.strip().splitlines()) == 1


def test_an_infinite_epsilon_is_null_in_the_file_and_a_word_on_the_screen(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Central, "guarantee", lambda self, epsilon: Budget(math.inf, self.delta, guaranteed=True, unit="client")
    )
    words = ("privacy=central", "privacy.noise_multiplier=1")
    run = shell.json("run", "small.yaml", "name=bare", *words)["run"]
    text = (shell.folder / run / "result.json").read_text()
    assert "Infinity" not in text
    assert json.loads(text)["privacy"]["epsilon"] is None
    assert "privacy: epsilon infinite at delta 1e-05 per client" in shell("show", run).stdout


def test_the_first_environment_stays_and_those_of_resumptions_are_added(shell: Shell, finished: dict[str, Any]) -> None:
    copy = shell.folder / "twice"
    shutil.copytree(shell.folder / finished["run"], copy)
    first = json.loads((copy / "environment.json").read_text())
    for _ in range(2):
        (copy / "result.json").unlink()
        shell("resume", "twice")
    kept = json.loads((copy / "environment.json").read_text())
    resumed = kept.pop("resumed")
    assert kept == first
    assert [words["command"][1:] for words in resumed] == [["resume", "twice"]] * 2


def test_a_frozen_partition_may_have_clients_that_are_only_measured(shell: Shell, finished: dict[str, Any]) -> None:
    manifest = Manifest.read(shell.folder / finished["run"] / "partition.json")
    images = from_mapping({"data": manifest_data()}).data.load(0)
    shares = manifest.shares()
    shares[2] = replace(shares[2], train=shares[2].train[:0])
    freeze(images, shares, {"name": "unseen"}, 0).write(shell.folder / "unseen.json")
    words = ("partition=manifest", "partition.file=unseen.json", "name=unseen", "evaluation.references=[local]")
    done = shell.json("run", "small.yaml", *words)
    assert "without training images, only measured: client 2." in done["notices"]
    shown = shell("show", done["run"]).stdout
    assert "nan" not in shown
    empty = [replace(share, train=share.train[:0]) for share in shares]
    freeze(images, empty, {"name": "unseen"}, 0).write(shell.folder / "unseen.json")
    assert "no client has a training image" in shell("run", "small.yaml", *words, code=2).stderr


def manifest_data() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(SMALL)["data"]
    return found
