"""`fedsilo chaos`: refusals and its Markdown file."""

import sys
from pathlib import Path

import pytest

from fedsilo.cli import main


def test_on_the_command_line_it_is_a_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("data: emblems\nmethod: promptfl\n")
    for words in (["--kill", "client:2"], ["--kill", "client:1", "actors.backend=serial"], []):
        monkeypatch.setattr(sys, "argv", ["fedsilo", "chaos", str(file), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code, out, err.count("\n")) == (2, "", 1), err
