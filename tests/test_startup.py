"""What is imported before a command does something: lists of modules, since seconds belong to the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = {
    *("torchvision", "torch._dynamo", "torch._inductor", "open_clip", "timm", "ot", "ray", "opacus", "dp_accounting"),
    *("pandas", "sklearn", "scipy", "matplotlib", "fedsilo.config.editor_schema"),
}
"""What no command needs that only looks."""

CALLS = """\
import contextlib, io, json, sys
from pathlib import Path
from fedsilo.cli import main

def call(words):
    sys.argv = ["fedsilo", *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
    return [words, code, [name for name in sorted(sys.modules) if name in forbidden]]

"""

EVERY_HELP = """\
import typer
from fedsilo.cli.app import app

def paths(command, before=()):
    yield [*before]
    for name, inner in getattr(command, "commands", {}).items():
        yield from paths(inner, (*before, name))

calls = [[*path, "--help"] for path in paths(typer.main.get_command(app))]
assert len(calls) > 20
"""


def commands(folder: Path, forbidden: set[str], calls: str) -> list[tuple[list[str], int, list[str]]]:
    """Commands one after the other in a process: each with its exit code and what of `forbidden` is imported then."""
    (folder / "sound.yaml").write_text("method: promptfl\n")
    code = f"forbidden = {sorted(forbidden)}\n{CALLS}{calls}\nprint(json.dumps([call(words) for words in calls]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert run.returncode == 0, run.stderr
    return [(words, code, names) for words, code, names in json.loads(run.stdout)]


def imported(folder: Path, forbidden: set[str], calls: str) -> tuple[list[int], list[str]]:
    """The exit codes of commands one after the other in a process, and what they imported of what they should not."""
    found = commands(folder, forbidden, calls)
    return [code for _, code, _ in found], [
        f"{' '.join(words)}: {', '.join(names)}" for words, _, names in found if names
    ]


def test_help_and_a_wrong_option_import_nothing_that_is_heavy(tmp_path: Path) -> None:
    codes, heavy = imported(
        tmp_path, TOOLS | {"torch", "numpy", "PIL", "omegaconf"}, f"{EVERY_HELP}calls[:0] = [['--version']]"
    )
    assert heavy == []
    assert set(codes) == {0}
    wrong = "\ncalls = [[*words[:-1], '--wrong'] for words in calls if len(words) > 1]"
    codes, heavy = imported(tmp_path, TOOLS | {"torch", "numpy", "PIL", "omegaconf"}, EVERY_HELP + wrong)
    assert heavy == []
    assert set(codes) == {2}


MISSING = [
    *(["run", "no.yaml"], ["validate", "no.yaml"], ["partition", "no.yaml"], ["compare", "no.yaml"]),
    *(["privacy", "no.yaml"], ["submit", "no.yaml"], ["chaos", "no.yaml", "--kill", "client:0.1"]),
    *(["resume", "no"], ["show", "no"], ["report", "no"], ["audit", "no"], ["top", "no"]),
    *(["predict", "no", "a.png", "--client", "0"], ["data", "get", "no", "--root", "."], ["privacy"]),
]


def test_what_is_missing_is_refused_and_a_first_scenario_written_without_torch(tmp_path: Path) -> None:
    codes, heavy = imported(
        tmp_path, TOOLS | {"torch"}, f"calls = {[*MISSING, ['cache', 'ls'], ['new', 'study.yaml']]}"
    )
    assert heavy == []
    assert codes == [2] * len(MISSING) + [0, 0]


WRONG_AUDITS = [
    *(["--shadows", "3"], ["--jobs", "0"], ["--view", "no-one"], ["--unit", "nothing"]),
    *(["--unit", "client", "--shadows", "0"], ["--unit", "client", "--view", "shared"]),
]


def test_an_audit_that_cannot_be_is_refused_before_what_carries_it_out_is_imported(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "scenario.yaml").write_text("method: promptfl\n")
    calls = [["audit", "run", *words] for words in WRONG_AUDITS]
    codes, heavy = imported(tmp_path, TOOLS | {"torch"}, f"calls = {calls}")
    assert heavy == []
    assert codes == [2] * len(calls)


def test_a_first_scenario_imports_no_component_and_a_missing_one_nothing_that_puts_it_together(tmp_path: Path) -> None:
    light = TOOLS | {"torch", "PIL", "omegaconf"}
    codes, heavy = imported(tmp_path, light | {"numpy", "fedsilo.core.registry"}, "calls = [['new', 'study.yaml']]")
    assert (codes, heavy) == ([0], [])
    codes, heavy = imported(tmp_path, light, "calls = [['run', 'no.yaml'], ['validate', 'no.yaml', 'a.b=1']]")
    assert (codes, heavy) == ([2, 2], [])


READING = {"fedsilo.report.results.finished_run", "fedsilo.config.assembly", "omegaconf"}
LOOKING = [
    *(["list"], ["describe"], ["describe", "method", "fedotp"], ["data", "list"], ["validate", "sound.yaml"]),
    ["validate", "sound.yaml", "backbone.name=ViT-B-16", "backbone.pretrained=openai"],
    ["schema"],
]


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[str], int, list[str]]]:
    """Commands that import torch, all in one process."""
    return commands(tmp_path_factory.mktemp("looking"), TOOLS | READING, f"calls = {LOOKING}")


def test_commands_that_look_import_torch_and_no_more(looks: list[tuple[list[str], int, list[str]]]) -> None:
    allowed = READING | {"fedsilo.config.editor_schema"}
    for words, code, names in looks:
        assert (words, code, set(names) - (READING if words != ["schema"] else allowed)) == (words, 0, set())


def test_a_list_imports_nothing_that_reads_runs_or_puts_scenarios_together(looks: Any) -> None:
    assert looks[0] == (["list"], 0, [])


STOPPED = """\
import os, sys
from fedsilo.cli import main

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            sys.stderr.flush()
            os._exit(99)

sys.meta_path.insert(0, Stop())
sys.argv = ["fedsilo", *{words}]
main()
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [(["run", "sound.yaml"], True), (["resume", "."], True), (["run", "sound.yaml", "--quiet"], False)],
    ids=["run", "resume", "quiet"],
)
def test_a_run_says_its_first_line_before_torch_is_imported(tmp_path: Path, words: list[str], said: bool) -> None:
    for name in ("sound.yaml", "scenario.yaml"):
        (tmp_path / name).write_text("method: promptfl\n")
    run = subprocess.run(
        [sys.executable, "-c", STOPPED.format(words=words)], capture_output=True, text=True, cwd=tmp_path
    )
    assert run.returncode == 99, run.stderr
    assert run.stderr.startswith("fedsilo ") == said
    assert (words[1] in run.stderr) == said


def test_python_s_own_entry_imports_nothing(tmp_path: Path) -> None:
    code = f"import sys, fedsilo\nprint([name for name in {sorted(TOOLS | {'torch', 'numpy'})} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
