"""The audit of single images, from a run's folder to its document: shadow runs, model scores, attacks, verdict.

RUN/audit/shadow-000 ...    shadow runs, ordinary run folders
RUN/audit.json              the document; audit-shared.json for the other view, ...-shuffled.json for the control
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fedsilo.core import Progress
from fedsilo.core.errors import RunError
from fedsilo.core.registry import title_of
from fedsilo.report.results.finished_run import Run, load
from fedsilo.runs.audit.attack_evaluation import Evidence, judge
from fedsilo.runs.audit.attack_protocol import Attack
from fedsilo.runs.audit.audit_frame import build_frame, choose_delta, lock_audit
from fedsilo.runs.audit.audit_request import CLIENT, SHARED, Audit
from fedsilo.runs.audit.lira import LikelihoodRatio, compute_confidence
from fedsilo.runs.audit.model_scores import Observation, Observer, prepare_observer, read_last_checkpoint
from fedsilo.runs.audit.roc import compute_auc, compute_curve
from fedsilo.runs.audit.shadow_model_attack import AttackModels
from fedsilo.runs.audit.shadow_runs import ShadowCallback, carry_out, list_shadows
from fedsilo.runs.audit.verdict import describe_audit
from fedsilo.storage.run_folder import write_json


def audit(
    folder: str | Path,
    asked: Audit | None = None,
    callback: ShadowCallback = lambda done, total, name, before: None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Audits the images of a run, and writes the document beside the run's result.

    Args:
        folder: Folder of a finished run.
        asked: The options.
        callback: Called after every shadow run: callback(done, total, name, before).
        progress: Called while the pool's features are computed: progress(stage, done, total).

    Returns:
        The document.

    Raises:
        RunError: The run cannot be audited, a shadow run failed, or another audit of the run is at work.
        DataError: The run's images are no longer available.
    """
    run, asked = load(folder), asked or Audit()
    _refuse(run, asked)
    with lock_audit(run) as place:
        observer = prepare_observer(run, asked.view, progress)
        target = observer.observe_target()
        _refuse_nothing_to_compare(run, observer, target)
        shadows = list_shadows(run, asked.shadows)
        carry_out(shadows, asked.jobs, callback)
        seen = [observer.observe_shadow(Run(shadow.folder), shadow.number) for shadow in shadows]
        frame = build_frame(run, asked, place, {"unit": "example", "view": asked.view})
        document = frame | _findings(run, asked, observer, target, seen)
        document["verdict"] = describe_audit(document)
    write_json(run.folder / file_name(asked), document)
    return document


def file_name(asked: Audit) -> str:
    """Names the document in the run's folder.

    Args:
        asked: The options.

    Returns:
        The file's name.
    """
    view = "" if asked.view == CLIENT else f"-{asked.view}"
    return f"audit{view}{'-shuffled' if asked.shuffle else ''}.json"


def _refuse(run: Run, asked: Audit) -> None:
    """Checks everything that can be checked before anything is computed."""
    asked.check()
    run.result  # noqa: B018, raises for a run that has not finished
    method, name = run.scenario.method, title_of(run.scenario.method)
    if not method.trains:
        raise RunError(
            f"{run.folder}: method '{name}' trains nothing, so it has no members. Audit a run of a method that trains."
        )
    if asked.view == SHARED and not method.uploads:
        raise RunError(f"{run.folder}: method '{name}' shares nothing, so there is no shared view. Use --view client.")
    if any(client.deviations for client in run.manifest.clients) or run.scenario.partition.unseen.classes:
        raise RunError(
            f"{run.folder}: clients with their own labels, altered images, unseen clients or unseen classes cannot be "
            "dealt again for shadow runs. Audit a run without them."
        )
    read_last_checkpoint(run)


def _refuse_nothing_to_compare(run: Run, observer: Observer, target: Observation) -> None:
    judged, labels = observer.population.comparable & target.sound, observer.population.labels
    if not np.isin(labels[judged & target.members], labels[judged & ~target.members]).any():
        raise RunError(
            f"{run.folder}: no client has both training and test images of one class, so members cannot be compared "
            "with non-members. Audit a run whose clients have test images of their own classes that no other client "
            "has (partition.test=client)."
        )


def _findings(
    run: Run, asked: Audit, observer: Observer, target: Observation, seen: list[Observation]
) -> dict[str, Any]:
    rows, seed = observer.population, run.scenario.seed
    evidence = Evidence(rows, target, seen, choose_delta(run), seed, asked.shuffle)
    attacks: list[Attack] = [LikelihoodRatio(), AttackModels(seed)]
    findings = [judge(attack, evidence, len(attacks)) for attack in attacks]
    judged = rows.comparable & target.sound
    untrained = Observation(observer.score_untrained(), target.members, target.exposed, target.canaries)
    return {
        "members": int((judged & target.members).sum()),
        "non_members": int((judged & ~target.members).sum()),
        "left_out": {
            "trained_images_in_no_batch": int((rows.comparable & ~target.sound).sum()),
            "without_counterpart": int((rows.alone & ~rows.comparable).sum()),
            "held_twice": int((~rows.alone).sum()),
        },
        "untrained_auc": compute_auc(
            *compute_curve(compute_confidence(untrained, rows)[judged], target.members[judged])
        ),
        "attacks": [asdict(finding) for finding in findings],
    }
