"""The command line in this process, called in a folder."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from fedsilo.cli import main

Call = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def command() -> Callable[[str, Path], Call]:
    """Returns a maker of calls: command(name, folder)(*words, code=0) is what was printed: output, errors."""

    def made(name: str, folder: Path) -> Call:
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

    return made
