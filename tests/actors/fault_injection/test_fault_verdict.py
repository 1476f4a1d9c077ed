"""The verdict on runs with faults."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fedsilo_actors.fault_injection.fault_verdict import Verdict
from fedsilo_actors.fault_injection.faulty_run import FaultyRun


def trial(sha256: str, **changes: Any) -> FaultyRun:
    plain = FaultyRun(0, Path("runs/x"), (), (), (), sha256, {"m": sha256}, "", 10.0)
    return replace(plain, **changes)


def test_a_verdict_is_sound_only_if_all_hashes_are_equal_and_nothing_hung() -> None:
    assert Verdict(trial("a"), (trial("a"), trial("a"))).sound
    assert not Verdict(trial("a"), (trial("a"), trial("b"))).sound
    assert not Verdict(trial("a"), (trial("a", hashes={"m": "b"}),)).sound
    assert not Verdict(trial("a"), (trial("a", trouble="attempt 0: hung."),)).sound
    assert not Verdict(trial(""), ()).sound
    assert not Verdict(trial(""), (trial(""),)).sound
