"""`fedsilo predict` and `fedsilo new`."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.cli.conftest import Shell


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


def test_predict_names_a_file_that_is_no_image(shell: Shell, finished: dict[str, Any]) -> None:
    for name, line in (("small.yaml", "is not an image"), ("gone.png", "there is no such image")):
        assert line in shell("predict", finished["run"], "--client", "0", name, code=2).stderr
    Image.new("RGB", (8, 8)).save(shell.folder / "plain.png")
    assert "there is no client 9" in shell("predict", finished["run"], "--client", "9", "plain.png", code=2).stderr


def test_new_writes_a_scenario_that_is_valid(shell: Shell) -> None:
    shell("new", "mine.yaml")
    assert "#" in (shell.folder / "mine.yaml").read_text()
    assert shell.json("validate", "mine.yaml")["name"] == "mine"


def test_names_may_be_what_rich_takes_for_its_marks(shell: Shell, finished: dict[str, Any]) -> None:
    Image.new("RGB", (30, 50)).save(shell.folder / "[red]a[__b].png")
    assert "[red]a[__b].png" in shell("predict", finished["run"], "--client", "1", "[red]a[__b].png").stdout
    Image.new("RGB", (30, 50)).save(shell.folder / "[bold] :key: .png")
    assert "[bold] :key: .png" in shell("predict", finished["run"], "--client", "1", "[bold] :key: .png").stdout
