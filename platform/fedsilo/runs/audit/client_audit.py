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
from fedsilo.runs.audit.audit_frame import Asked, at_work, delta_of, framed
from fedsilo.runs.audit.audited_images import Flags
from fedsilo.runs.audit.client_attack import guesses, refuse, scores_of
from fedsilo.runs.audit.epsilon_bound import Coins, proved
from fedsilo.runs.audit.shadow_runs import Told, carry_out, client_shadows_of, coins
from fedsilo.runs.audit.verdict import verdict_on_clients
from fedsilo.storage.run_folder import write_json

SHARES = (0.1, 0.5, 1.0)
"""Shares of the coins that are guessed, those with the clearest scores."""


class ClientAudit(Asked):
    """Options of an audit of whole clients."""


def audit_clients(
    folder: str | Path,
    asked: ClientAudit | None = None,
    told: Told = lambda done, total, name, before: None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Audits the clients of a run, and writes the document beside the run's result.

    Args:
        folder: Folder of a finished run.
        asked: The options.
        told: Called after every shadow run: told(done, total, name, before).
        progress: Called while features are computed: progress(stage, done, total).

    Returns:
        The document.

    Raises:
        RunError: The clients of the run cannot be attacked, a shadow run failed, or another audit of the run is at
            work.
        DataError: The run's images are no longer available.
    """
    run, asked = load(folder), asked or ClientAudit()
    asked.refuse(run)
    refuse(run)
    with at_work(run) as place:
        shadows = client_shadows_of(run, asked.shadows)
        carry_out(shadows, asked.jobs, told)
        method = run.scenario.method
        found = [scores_of(Run(shadow.folder), method, progress) for shadow in shadows]
        tossed = [_coins(run, asked.shuffle)(shadow.number) for shadow in shadows]
        frame = framed(run, asked, place, {"unit": "client"})
        document = frame | _findings(run, asked, np.concatenate(found), np.concatenate(tossed))
        document["verdict"] = verdict_on_clients(document)
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
        return lambda number: coins(run, number)
    n, seed = len(run.manifest.clients), run.scenario.seed
    return lambda number: numpy_generator(seed, "audit clients shuffle", step=number).random(n) < 0.5


def _findings(run: Run, asked: ClientAudit, found: np.ndarray[Any, Any], there: Flags) -> dict[str, Any]:
    total, count = Coins(len(there), asked.shadows, delta_of(run)), len(there)
    right = guesses(found, there, 1.0)[1]
    return {
        "clients": len(run.manifest.clients),
        "coins": count,
        "right": right,
        "chance_low": int(binom.ppf(0.025, count, 0.5)),
        "chance_high": int(binom.ppf(0.975, count, 0.5)),
        "p_value": float(binom.sf(right - 1, count, 0.5)),
        "epsilon": asdict(proved(total, [guesses(found, there, share) for share in SHARES])),
    }
