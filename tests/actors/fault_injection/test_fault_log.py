"""The ledger of faults: each strikes once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fedsilo_actors.fault_injection.fault_log import FaultLog, read_faults
from fedsilo_actors.fault_injection.fault_plan import FaultPlan, FaultPoint

ALL = [FaultPoint("kill client", "train", round, 0, client) for round in range(100) for client in range(20)]


CERTAIN = {"kill client": 1.0}


def test_a_fault_strikes_once_and_stands_in_the_ledger_before_it_does(tmp_path: Path) -> None:
    ledger = FaultLog(tmp_path, FaultPlan(0, CERTAIN))
    assert not ledger.claim(FaultPoint("hang client", "train"))
    assert ledger.claim(ALL[0])
    assert [(line["kind"], line["attempt"]) for line in read_faults(tmp_path)] == [("kill client", 0)]
    later = FaultLog(tmp_path, FaultPlan(0, CERTAIN), attempt=1)
    assert not later.claim(ALL[0])
    assert later.claim(ALL[1])
    assert [line["client"] for line in read_faults(tmp_path)] == [0, 1]


def test_a_process_at_the_same_point_at_the_same_time_does_not_claim_it_as_well(tmp_path: Path) -> None:
    ledger = FaultLog(tmp_path, FaultPlan(0, CERTAIN))
    with ThreadPoolExecutor(4) as threads:  # the lock is one of open files, which each has of its own
        claimed = list(threads.map(ledger.claim, [point for point in ALL[:40] for _ in range(4)]))
    assert sum(claimed) == len(read_faults(tmp_path)) == 40
