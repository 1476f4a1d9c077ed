"""A command that hangs."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from fedsilo_actors.fault_injection import command_session as sessions
from fedsilo_actors.fault_injection.command_session import run_command
from fedsilo_actors.fault_injection.faulty_run import Limits, judge


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(subprocess.Popen[bytes]):
        """Its time is up when all that it starts is there, however long that takes."""

        def wait(self, timeout: float | None = None) -> int:
            if timeout is None:
                return super().wait()
            while len(sessions._members(self.pid)) < 3:
                assert self.poll() is None
                time.sleep(0.01)
            raise subprocess.TimeoutExpired(self.args, timeout)

    monkeypatch.setattr(sessions.subprocess, "Popen", Hanging)
    words = ["sh", "-c", "sleep 600 & sleep 600"]
    ending = run_command(words, {"PATH": os.environ["PATH"]}, tmp_path / "log", 0.5)
    assert (ending.code, ending.left) == (None, 3)
    assert judge(ending, Limits(0.5)) == ("", "hung: it was ended after 0.5 s.")
