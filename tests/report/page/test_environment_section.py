"""The machine, the versions, the commands and the hashes that the page shows."""

from __future__ import annotations

import json
import re

from tests.report.conftest import Made
from tests.report.page.conftest import drawn, finish, words

HERE = {
    "command": ["/usr/lib/venv/bin/fedsilo", "run", "my study.yaml"],
    "packages": {"fedsilo": "9.8.7", "torch": "2.9<b>"},
    **{"cores": 6, "memory_gib": 11.5, "python": "3.12.1", "code": "c0de"},
}


def test_commands_versions_and_machine_are_those_of_the_records(made: Made) -> None:
    run = made()
    (run.folder / "environment.json").write_text(json.dumps(HERE))
    shown = words(drawn(run))
    assert "command fedsilo run 'my study.yaml'" in shown  # a shell reads it as it was typed, without the path
    assert "run again fedsilo run 'run <1>/scenario.yaml'" in shown
    assert "machine 6 cores, 11.5 GiB" in shown
    assert "torch 2.9<b>" in shown
    assert "fedsilo 9.8.7" in shown
    assert "code sha256 c0de" in shown


def test_a_finished_run_has_hashes_and_is_not_to_be_resumed(made: Made) -> None:
    run, resume = made(), re.compile(r"resume fedsilo resume 'run <1>'")
    assert resume.search(words(drawn(run)))
    hashes = {"promptfl": {"shared": "5ba3ed", "private": ["e1"], "scores": "5c07e5"}}
    (run.folder / "data.json").write_text(json.dumps({"split_sha256": "5911", "template": "a {}"}))
    shown = words(drawn(finish(run, hashes=hashes, sha256="f1a1")))
    assert not resume.search(shown)
    assert "promptfl 5ba3ed 5c07e5" in shown
    assert "result sha256 f1a1" in shown
    assert "split sha256 5911" in shown
    assert "a {}" not in shown.partition("result sha256 f1a1")[2].partition("promptfl")[0]
