"""Names from anywhere: made printable once, and shown everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from fedsilo.cli.output import line, remark
from fedsilo.core import Examples, LabelledImages
from fedsilo.core.printing import encode_utf8, is_guessed, keep_visible, make_legible, make_printable
from fedsilo.data.datasets.image_folder import ImageFolder
from fedsilo.data.files.folder_layouts import to_prompt_name
from fedsilo.report.figures.partition_layout import cut

LATIN, UTF8_IN_C = os.fsdecode(b"caf\xe9"), "caf\udcc3\udca9"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name", "plain name"),
        (LATIN, "café"),
        (UTF8_IN_C, "café"),
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202ecat", "\\u202ecat"),
        ("\u2066a", "\\u2066a"),
        ("half \ud83d", "half \\ud83d"),
        ("wide\u3000blank\xa0", "wide blank "),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("日本語 ñ", "日本語 ñ"),
    ],
)
def test_a_text_is_shown_and_never_obeyed(text: str, shown: str) -> None:
    assert make_printable(text) == shown
    make_printable(text).encode("utf-8")


@pytest.mark.parametrize(("text", "shown"), [(LATIN, "café"), ("\x1b[31mred", "\\x1b[31mred"), ("a\ud83d", "a\\ud83d")])
def test_what_commands_print_and_pictures_say_goes_through_it(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line(f"{text}\nnext")
    remark(text)
    printed = capsys.readouterr()
    assert printed.out == f"{shown}\nnext\n"
    assert printed.err.strip() == shown
    assert cut(text) == shown


def test_line_breaks_stay_where_they_are_wanted() -> None:
    assert make_printable("a\nb\x07", keep="\n") == "a\nb\\x07"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("sea_horse", "sea horse"),
        ("new\nline", "new line"),
        ("tab\tand\x0bmore", "tab and more"),
        ("\u202ecat\u200b", "cat"),
        (LATIN, "café"),
        (UTF8_IN_C, "café"),
        ("\x1b[31m", "[31m"),
        ("\u200b", "\\u200b"),
        ("__", "__"),
        ("🐱", "🐱"),
    ],
)
def test_a_class_is_spoken_without_invisible_characters(folder: str, name: str) -> None:
    assert to_prompt_name(folder) == name


def test_only_bytes_of_another_encoding_are_a_guess() -> None:
    assert is_guessed(LATIN)
    assert not any(map(is_guessed, (UTF8_IN_C, "café", "\n")))
    assert make_legible("half \ud83d") == "half \ud83d"
    assert keep_visible("a  b\n") == "a b"


def test_halves_of_letters_are_written_as_json_reads_them() -> None:
    document = {"path": LATIN, "name": "ñ"}
    assert json.loads(encode_utf8(json.dumps(document, ensure_ascii=False)).decode()) == document


def test_names_of_any_data_set_are_printable(toy) -> None:
    part = toy().train
    images = LabelledImages(("a\x1b", LATIN), ("d\u202e",), "a {}.", part, part, notices=(f"{LATIN}\nx",))
    assert isinstance(part, Examples)
    assert images.classes == ("a\\x1b", "café")
    assert images.domains == ("d\\u202e",)
    assert images.notices == ("café\\nx",)


@pytest.fixture
def odd_names(tmp_path: Path) -> Path:
    """Two domains by four classes, all with names that something chokes on."""
    number = 0
    for domain in (b"stra\xdfe", "\u202edom\n$x_1$".encode()):
        for label in (b"caf\xe9", "naïve\x1b[31m".encode(), "🐱 _cat".encode(), "日本語".encode()):
            folder = os.path.join(os.fsencode(tmp_path / "data"), domain, label)
            os.makedirs(folder)
            for image in range(6):
                number += 1
                with open(os.path.join(folder, b"%d\xff.png" % image), "wb") as file:
                    Image.new("RGB", (8, 8), (number, 40, 200 - number)).save(file, "PNG")
    return tmp_path


def test_folders_of_any_name_are_read_and_those_of_another_encoding_are_named(odd_names: Path) -> None:
    images = ImageFolder(root=str(odd_names / "data")).load(0)
    assert set(images.classes) == {"café", "naïve[31m", "🐱 cat", "日本語"}
    assert set(images.domains) == {"straße", "\\u202edom\\n$x_1$"}
    (said,) = (notice for notice in images.notices if "not UTF-8" in notice)
    assert said.endswith("(2): café, straße.")
    assert images.train.fetch(0).size == (8, 8)


SCENARIO = """\
data: {{name: image_folder, root: {root}/data}}
partition: {{clients: 4, feature: domains, label: dirichlet}}
method: promptfl
training: {{rounds: 1}}
actors: {{backend: serial}}
evaluation: {{references: []}}
tracking: {{root: {root}/runs, loggers: [tensorboard]}}
"""


COMMANDS = """\
import json, sys
from fedsilo.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["fedsilo", *words]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
"""
"""Several commands in one process: it is slow to start."""


@pytest.mark.slow
def test_a_run_shows_such_names_everywhere_in_the_poorest_locale(odd_names: Path) -> None:
    (odd_names / "scenario.yaml").write_text(SCENARIO.format(root=odd_names), encoding="utf-8")
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "FEDSILO_CACHE": str(odd_names / "cache")}
    run = odd_names / "run"
    first = ["run", "scenario.yaml", "--folder", str(run)]
    words = [first, ["partition", "scenario.yaml"], ["partition", "scenario.yaml", "--json"], ["show", str(run)]]
    command = [sys.executable, "-c", COMMANDS, json.dumps(words)]
    done = subprocess.run(command, env=environment, cwd=odd_names, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"Traceback" not in done.stderr
    assert done.stdout.decode("ascii").count("caf") > 2
    manifest = json.loads((run / "partition.json").read_text(encoding="utf-8"))
    assert set(manifest["classes"]) == {"café", "naïve[31m", "🐱 cat", "日本語"}
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "café" in page
    assert "\u202e" not in page
