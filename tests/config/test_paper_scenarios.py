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
from fedsilo.simulation.preparation import partition_of

FILES = sorted((Path(__file__).parents[2] / "scenarios" / "paper").glob("*.yaml"))
PLAIN = ("method=promptfl", "privacy=none")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_without_data_there_is_one_line_that_says_what_goes_where(file, tmp_path):
    scenario = read(file, [*PLAIN, f"data.root={tmp_path}"])
    with pytest.raises(DataError) as caught:
        partition_of(scenario)
    assert str(caught.value).startswith("data.root: there is no folder '")
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
    assert any("schedule" in file.read_text() for file in files) == (method in schedules)


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
    assert err.getvalue().startswith("data.root: there is no folder '")
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
