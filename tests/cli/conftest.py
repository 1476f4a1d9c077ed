"""The command line in this process, called in a folder."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import held, made  # noqa: F401, fixtures

from fedsilo.cli import main

Call = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def command() -> Callable[[str, Path], Call]:
    """Returns a maker of calls: command(name, folder)(*words, code=0) is what was printed: output, errors."""

    def make(name: str, folder: Path) -> Call:
        def call(*words: str, code: int = 0) -> tuple[str, str]:
            out, err = io.StringIO(), io.StringIO()
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
                patch.chdir(folder)
                patch.setattr(sys, "argv", ["fedsilo", name, *words])
                patch.setenv("FEDSILO_CACHE", str(folder / "cache"))
                patch.setenv("COLUMNS", "200")
                try:
                    main()
                    ended: Any = 0
                except SystemExit as exit:
                    ended = exit.code or 0
            assert ended == code, out.getvalue() + err.getvalue()
            return out.getvalue(), err.getvalue()

        return call

    return make


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


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def finished(shell: Shell) -> dict[str, Any]:
    document: dict[str, Any] = shell.json("run", "small.yaml")
    return document


TINY = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2}
method: {name: promptfl, context_length: 2}
training: {rounds: 1, batch_size: 8}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(TINY)
    return tmp_path
