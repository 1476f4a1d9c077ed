"""An audit of whole clients, from a run's folder to its document: shadow runs, scores of every client's coin, verdict.

RUN/audit/clients-000 ...   shadow runs, ordinary run folders with the checkpoints of all rounds
RUN/audit-clients.json      the document; audit-clients-shuffled.json for the control
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from fedsilo.audit.looks import add_look
from fedsilo.audit.population import Flags
from fedsilo.audit.proof import CONFIDENCE, Coins, proved
from fedsilo.audit.shadows import AUDIT, Told, carry_out, client_shadows_of, coins
from fedsilo.audit.verdict import verdict_on_clients
from fedsilo.audit.whole_clients import guesses, refuse, scores_of
from fedsilo.core import Progress
from fedsilo.errors import RunError
from fedsilo.records import DRIVER_LOCK, lock, write_json
from fedsilo.registry import name_of
from fedsilo.results.reading import Run, load
from fedsilo.running import threads
from fedsilo.seeds import numpy_generator

DELTA = 1e-5
"""At which epsilon is asked for where the run claims none."""
SHARES = (0.1, 0.5, 1.0)
"""Shares of the coins that are guessed, those with the clearest scores."""
WAIT_S = 1.0
"""How long an audit waits for another one of the same run, seconds."""


@dataclass(frozen=True, slots=True)
class ClientAudit:
    """What is asked for.

    Attributes:
        shadows: Shadow runs, >= 1.
        jobs: Shadow runs side by side, each in a process of its own, >= 1.
        shuffle: The control: the guesses are judged by other coins, which no attack can tell.
    """

    shadows: int = 16
    jobs: int = 1
    shuffle: bool = False


def audit_clients(
    folder: str | Path,
    asked: ClientAudit | None = None,
    told: Told = lambda done, total, name, before: None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Returns the document of an audit of whole clients, which is also written beside the run's result.

    Args:
        folder: A finished run's.
        asked: What is asked for.
        told: Told of every shadow run that is there.
        progress: Told how far the features are.

    Raises:
        RunError: The clients of the run cannot be attacked, a shadow run failed, or another audit of it is at work.
        DataError: The run's images are no longer there.
    """
    run, asked = load(folder), asked or ClientAudit()
    for name, value in (("shadows", asked.shadows), ("jobs", asked.jobs)):
        if value < 1:
            raise RunError(f"{name}: must be at least 1, got {value}.")
    run.result  # noqa: B018, says what to do about a run that has not finished
    refuse(run)
    place = run.folder / AUDIT
    place.mkdir(exist_ok=True)
    with lock(place, WAIT_S, DRIVER_LOCK), threads(run.scenario.actors.threads):
        shadows = client_shadows_of(run, asked.shadows)
        carry_out(shadows, asked.jobs, told)
        method = run.scenario.method
        found = [scores_of(Run(shadow.folder), method, progress) for shadow in shadows]
        tossed = [_coins(run, asked.shuffle)(shadow.number) for shadow in shadows]
        looks = 0 if asked.shuffle else add_look(place, {"unit": "client", "shadows": asked.shadows})
        document = _document(run, asked, np.concatenate(found), np.concatenate(tossed), looks)
    write_json(run.folder / clients_file_name(asked), document)
    return document


def clients_file_name(asked: ClientAudit) -> str:
    """Returns the name of the document in the run's folder."""
    return f"audit-clients{'-shuffled' if asked.shuffle else ''}.json"


def _coins(run: Run, shuffle: bool) -> Callable[[int], Flags]:
    """The coins of a shadow run by its number; for the control coins that had no effect on it."""
    if not shuffle:
        return lambda number: coins(run, number)
    n, seed = len(run.manifest.clients), run.scenario.seed
    return lambda number: numpy_generator(seed, "audit clients shuffle", step=number).random(n) < 0.5


def _document(run: Run, asked: ClientAudit, found: np.ndarray[Any, Any], there: Flags, looks: int) -> dict[str, Any]:
    claim, count = run.result["privacy"], len(there)
    total = Coins(count, asked.shadows, claim["delta"] if claim else DELTA)
    right = guesses(found, there, 1.0)[1]
    document = {
        "run": run.folder.name,
        "method": name_of(run.scenario.method),
        "unit": "client",
        "shadows": asked.shadows,
        "shuffled": asked.shuffle,
        "confidence": CONFIDENCE,
        "clients": len(run.manifest.clients),
        "coins": count,
        "right": right,
        "chance_low": int(binom.ppf(0.025, count, 0.5)),
        "chance_high": int(binom.ppf(0.975, count, 0.5)),
        "p_value": float(binom.sf(right - 1, count, 0.5)),
        "epsilon": asdict(proved(total, [guesses(found, there, share) for share in SHARES])),
        "claim": claim,
        "looks": looks,
    }
    return {**document, "verdict": verdict_on_clients(document)}
