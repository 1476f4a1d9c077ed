"""What stopped a run with faults, from its exit code and its lines."""

from typing import Any

import pytest

from fedsilo_actors.fault_injection.command_session import Ending
from fedsilo_actors.fault_injection.faulty_run import Limits, _mark_survived, judge


@pytest.mark.parametrize(
    ("code", "errors", "why", "trouble"),
    [
        (0, "", "", ""),
        (-9, "", "the driver was killed", ""),
        (2, "(raylet) a worker died\n\nclient 3: lost.\n", "client 3: lost.", ""),
        (
            2,
            "(raylet) Raylet is terminated. Logs:\n    [state-dump] x\n\t(2) lagging\nclient 3: lost.\n",
            "client 3: lost.",
            "",
        ),
        (2, "one\ntwo\n", "", "ended with code 2 and 2 lines instead of one."),
        (2, "", "", "ended with code 2 and 0 lines instead of one."),
        (1, "client 3: lost.\n", "", "ended with code 1 and 1 lines instead of one."),
        (2, "Traceback (most recent call last)\nx\n", "", "ended in a traceback."),
    ],
)
def test_a_stop_is_one_line_and_exit_code_2_or_it_should_not_be(code: int, errors: str, why: str, trouble: str) -> None:
    assert judge(Ending(code, errors, 0), Limits()) == (why, trouble)


def fault(kind: str, attempt: int) -> dict[str, Any]:
    return {"kind": kind, "attempt": attempt}


def test_the_last_fault_before_a_stop_is_what_stopped_it() -> None:
    """And a killed driver's own, with whatever happens to its coordinator afterwards."""
    told = [
        fault("kill client", 0), fault("raise client", 0),
        fault("kill driver", 1), fault("kill coordinator", 1),
        fault("kill client", 2),
    ]  # fmt: skip
    marked = _mark_survived(told, ["client 1: raised.", "the driver was killed"])
    assert [one["survived"] for one in marked] == [True, False, False, False, True]
