"""The audit of whole clients: a small run with sound and flawed mechanisms."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsilo
from fedsilo.core.errors import RunError
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.absent_clients import Absence
from fedsilo.runs.audit.audit_request import ClientAudit
from fedsilo.runs.audit.client_audit import audit_clients
from fedsilo.runs.audit.shadow_runs import list_client_shadows, toss_coins

SCENARIO = Path(__file__).parents[3] / "scenarios" / "privacy" / "clients.yaml"


CLIENTS = {
    "data": {"classes": 4, "train_per_class_and_domain": 6, "test_per_class_and_domain": 1},
    "partition": {"clients": 6},
    "training": {"rounds": 2, "batch_size": 8, "optimizer": {"learning_rate": 0.1}},
}


@pytest.fixture
def audited(run: Callable[..., Run]) -> Callable[..., dict[str, Any]]:
    """Audits a small run under a privacy section."""

    def make(shadows: int = 4, **privacy: Any) -> dict[str, Any]:
        done = run(**CLIENTS, privacy=privacy) if privacy else run(**CLIENTS)
        return audit_clients(done.folder, ClientAudit(shadows=shadows)) | {"folder": done.folder}

    return make


@pytest.mark.slow
def test_a_flawed_mechanism_is_contradicted(audited: Callable[..., dict[str, Any]]) -> None:
    found = audited(
        mode="fedsilo.runs.audit.flawed_mechanisms:NoNoise", unit="client", noise_multiplier=4.0, clip_norm=0.02
    )
    assert found["coins"] == 24
    assert found["epsilon"]["epsilon"] > found["claim"]["epsilon"]
    assert found["epsilon"]["epsilon"] <= found["epsilon"]["most"]
    absent = list_client_shadows(Run(found["folder"]), 4)[1].scenario.method
    assert isinstance(absent, Absence)
    assert absent.absent == np.flatnonzero(~toss_coins(Run(found["folder"]), 1)).tolist()


@pytest.mark.slow
def test_a_clip_norm_that_is_ten_times_too_large_is_contradicted(tmp_path: Path) -> None:
    loose = fedsilo.run(
        SCENARIO, privacy={"mode": "fedsilo.runs.audit.flawed_mechanisms:LooseClip"}, tracking={"root": str(tmp_path)}
    )
    found = audit_clients(loose.folder, ClientAudit(shadows=8))
    assert found["epsilon"]["epsilon"] > found["claim"]["epsilon"]


@pytest.mark.slow
def test_a_sound_one_is_not_and_the_control_is_guessing(audited: Callable[..., dict[str, Any]]) -> None:
    found = audited(mode="central", unit="client", noise_multiplier=8.0, clip_norm=0.02)
    assert found["epsilon"]["epsilon"] <= found["claim"]["epsilon"]
    control = audit_clients(found["folder"], ClientAudit(shadows=4, shuffle=True))
    assert control["verdict"][0].startswith("a control")
    assert (found["folder"] / "audit-clients-shuffled.json").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": {"name": "promptfl", "context_length": 1, "synchronise": "batch"}}, "results of whole rounds"),
        ({"method": {"name": "local", "context_length": 1}}, "results of whole rounds"),
    ],
)
def test_where_nothing_can_be_contradicted_it_says_so(
    run: Callable[..., Run], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RunError, match=f"unit client: .*{words}.*cannot contradict"):
        audit_clients(run(**changes).folder)
