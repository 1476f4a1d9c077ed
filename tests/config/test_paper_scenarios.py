"""The published settings: sound without their data, one line when they are run without it, and run where it is there.

Methods and mechanisms are replaced by plain ones: what is looked at here is data and partition.
"""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fedsilo
from fedsilo.cli import main
from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import DataError
from fedsilo.core.training_settings import Optimizer
from fedsilo.simulation.preparation import partition_of

FILES = sorted((Path(__file__).parents[2] / "scenarios" / "paper").glob("*.yaml"))
PLAIN = ("method=promptfl", "privacy=none")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_without_data_there_is_one_line_that_says_what_goes_where(file, tmp_path):
    scenario = read(file, [*PLAIN, f"data.root={tmp_path}"])
    with pytest.raises(DataError) as caught:
        partition_of(scenario)
    assert str(caught.value).startswith("data.root: there is no folder")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_setting_is_sound_as_it_stands(file):
    assert read(file).method


@pytest.mark.parametrize("method", ["pfedmoap", "fedpgp", "fedpha", "promptfolio", "fedtpg"])
def test_a_header_says_what_is_known_and_what_is_assumed(method):
    files = [file for file in FILES if file.stem.startswith(method)]
    assert files
    for file in files:
        header = file.read_text().partition("\nextends")[0]
        assert all(word in header for word in ("Published", "Known, from", "ssumed", "Needs"))
    schedules = {"pfedmoap", "fedpha", "promptfolio", "fedtpg"}
    settings = [file.read_text().partition("\nevaluation")[0] for file in files]
    assert any("schedule" in text for text in settings) == (method in schedules)


ROWS = {"local", "promptfl", "fedprox"}
"""Rows of other methods, trained as PromptFL's configuration says: that of CoOp's trainer."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_reference_rows_have_their_own_published_settings(file):
    """0.002, a cosine, and one warm-up epoch at 0.00001, whatever the file's own method has."""
    scenario = read(file)
    assert set(scenario.evaluation.reference_names) <= ROWS
    for name in scenario.evaluation.reference_names:
        training = scenario.evaluation.training_of(name, scenario.training)
        optimizer, schedule = training.optimizer, training.schedule
        assert optimizer == Optimizer(learning_rate=0.002, momentum=0.9, weight_decay=0.0005)
        assert schedule.name == "cosine"
        assert schedule.warmup * training.local_epochs == pytest.approx(1)
        epochs = [epoch / training.local_epochs for epoch in range(training.rounds * training.local_epochs)]
        rates = [training.learning_rate(time) for time in epochs]
        assert rates[0] == pytest.approx(0.00001)
        assert rates[1] == pytest.approx(0.002)
        assert rates[1:] == sorted(rates[1:], reverse=True)
        assert rates[-1] < 0.002 / 10


def test_the_files_with_reference_rows():
    named = {file.stem: set(read(file).evaluation.reference_names) for file in FILES}
    both = {"local", "promptfl"}
    sets = ("caltech101", "dtd", "food101", "oxford_flowers", "oxford_pets", "domainnet", "office_caltech10")
    shifted = ("domainnet_label_shift", "office_caltech10_label_shift")
    assert {stem: names for stem, names in named.items() if names} == {
        **{f"fedotp_{data}": both for data in (*sets, *shifted)},
        **{f"{method}_caltech101": both for method in ("fedpha", "pfedmoap", "promptfolio")},
        **{"fedpgp_oxford_pets": {"promptfl"}, "fedtpg_caltech101": {"promptfl"}, "pfedmoap_cifar100": ROWS},
    }


@pytest.mark.parametrize(
    ("stem", "rate", "schedule"),
    [
        ("fedotp_caltech101", 0.001, "constant"),
        ("fedpgp_oxford_pets", 0.001, "constant"),
        ("fedtpg_caltech101", 0.003, "cosine"),
        ("pfedmoap_cifar100", 0.002, "constant"),
    ],
)
def test_the_method_of_a_file_keeps_its_own_settings_beside_them(stem, rate, schedule):
    training = read(next(file for file in FILES if file.stem == stem)).training
    assert (training.optimizer.learning_rate, training.schedule.name) == (rate, schedule)


def test_what_is_not_known_of_pfedmoap_is_said():
    for file in (file for file in FILES if file.stem.startswith("pfedmoap")):
        header = file.read_text().partition("\nextends")[0]
        assert all(words in header for words in ("Not confirmed", "Known, from the paper", "Not known, and assumed"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_header_names_the_command_that_runs_the_file(file):
    assert f"fedsilo run scenarios/paper/{file.name} data.root=PATH" in file.read_text()


def test_run_without_data_ends_with_that_line_and_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["fedsilo", "run", str(FILES[0]), *PLAIN, "actors.backend=serial"]
    monkeypatch.setattr("sys.argv", words)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code
    assert err.getvalue().startswith("data.root: there is no folder")
    assert err.getvalue().count("\n") == 1
    assert [path.name for path in tmp_path.glob("runs/*")] == []


@pytest.fixture
def textures(tmp_path):
    """Seven textures in CoOp's layout, 5 training and 2 test images each."""
    content: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
    generator = np.random.default_rng(0)
    for split, each in (("train", 5), ("test", 2)):
        for label in range(7):
            for number in range(each):
                name = f"texture_{label}/{split}{number}.png"
                (tmp_path / "dtd/images" / name).parent.mkdir(parents=True, exist_ok=True)
                pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "dtd/images" / name)
                content[split].append([name, label, f"texture_{label}"])
    (tmp_path / "dtd" / "split_zhou_DescribableTextures.json").write_text(json.dumps(content))
    return tmp_path


def test_where_the_data_is_the_setting_runs(textures, tmp_path, cache_folder):
    file = next(file for file in FILES if file.stem == "fedotp_dtd")
    changes = {"backend": "serial"}, {"clients": 3, "shots": 2}, {"rounds": 1, "local_epochs": 1, "batch_size": 2}
    actors, partition, training = changes
    run = fedsilo.run(
        file,
        method="promptfl",
        backbone={"name": "fedsilo-tiny", "pretrained": ""},
        actors=actors,
        partition=partition,
        training=training,
        data={"root": str(textures)},
        tracking={"root": str(tmp_path / "runs")},
        evaluation={"references": []},
    )
    assert [sum(client.train_classes) for client in run.manifest.clients] == [4, 4, 6]
    assert [sum(client.test_classes) for client in run.manifest.clients] == [4, 4, 6]
    assert run.manifest.rule["shots"] == 2
    assert len(run.rounds) == 1
