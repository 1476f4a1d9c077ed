"""The audit of whole clients, from a run's folder to its document: shadow runs, scores of all coins, verdict.

RUN/audit/clients-000 ...   shadow runs, ordinary run folders with the checkpoints of all rounds
RUN/audit-clients.json      the document; audit-clients-shuffled.json for the control
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from fedsilo.core import Progress
from fedsilo.core.seeds import numpy_generator
from fedsilo.report.results.finished_run import Run, load
from fedsilo.runs.audit.audit_frame import build_frame, choose_delta, lock_audit
from fedsilo.runs.audit.audit_request import ClientAudit
from fedsilo.runs.audit.audited_images import Flags
from fedsilo.runs.audit.client_attack import guess_coins, refuse, score_clients
from fedsilo.runs.audit.epsilon_bound import Coins, prove_bound
from fedsilo.runs.audit.shadow_runs import ShadowCallback, carry_out, list_client_shadows, toss_coins
from fedsilo.runs.audit.verdict import describe_client_audit
from fedsilo.storage.run_folder import write_json

SHARES = (0.1, 0.5, 1.0)
"""Shares of the coins that are guessed, those with the clearest scores."""


def audit_clients(
    folder: str | Path,
    asked: ClientAudit | None = None,
    callback: ShadowCallback = lambda done, total, name, before: None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Audits the clients of a run, and writes the document beside the run's result.

    Args:
        folder: Folder of a finished run.
        asked: The options.
        callback: Called after every shadow run: callback(done, total, name, before).
        progress: Called while features are computed: progress(stage, done, total).

    Returns:
        The document.

    Raises:
        RunError: The clients of the run cannot be attacked, a shadow run failed, or another audit of the run is at
            work.
        DataError: The run's images are no longer available.
    """
    run, asked = load(folder), asked or ClientAudit()
    asked.check()
    run.result  # noqa: B018, says what to do about a run that has not finished
    refuse(run)
    with lock_audit(run) as place:
        shadows = list_client_shadows(run, asked.shadows)
        carry_out(shadows, asked.jobs, callback)
        method = run.scenario.method
        found = [score_clients(Run(shadow.folder), method, progress) for shadow in shadows]
        tossed = [_coins(run, asked.shuffle)(shadow.number) for shadow in shadows]
        frame = build_frame(run, asked, place, {"unit": "client"})
        document = frame | _findings(run, asked, np.concatenate(found), np.concatenate(tossed))
        document["verdict"] = describe_client_audit(document)
    write_json(run.folder / clients_file_name(asked), document)
    return document


def clients_file_name(asked: ClientAudit) -> str:
    """Names the document in the run's folder.

    Args:
        asked: The options.

    Returns:
        The file's name.
    """
    return f"audit-clients{'-shuffled' if asked.shuffle else ''}.json"


def _coins(run: Run, shuffle: bool) -> Callable[[int], Flags]:
    """The coins of a shadow run by its number; for the control, coins that had no effect on the run."""
    if not shuffle:
        return lambda number: toss_coins(run, number)
    n, seed = len(run.manifest.clients), run.scenario.seed
    return lambda number: numpy_generator(seed, "audit clients shuffle", step=number).random(n) < 0.5


def _findings(run: Run, asked: ClientAudit, found: np.ndarray[Any, Any], there: Flags) -> dict[str, Any]:
    total, count = Coins(len(there), asked.shadows, choose_delta(run)), len(there)
    right = guess_coins(found, there, 1.0)[1]
    return {
        "clients": len(run.manifest.clients),
        "coins": count,
        "right": right,
        "chance_low": int(binom.ppf(0.025, count, 0.5)),
        "chance_high": int(binom.ppf(0.975, count, 0.5)),
        "p_value": float(binom.sf(right - 1, count, 0.5)),
        "epsilon": asdict(prove_bound(total, [guess_coins(found, there, share) for share in SHARES])),
    }
