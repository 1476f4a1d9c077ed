"""An audit from a run's folder to its document: shadow runs, what the models say, attacks, verdict.

RUN/audit/shadow-000 ...    shadow runs, ordinary run folders
RUN/audit.json              the document; audit-shared.json for the other view, ...-shuffled.json for the control
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fedsilo.core import Progress
from fedsilo.core.errors import RunError
from fedsilo.core.registry import title_of
from fedsilo.report.results.finished_run import Run, load
from fedsilo.runs.audit.attack_evaluation import Attack, Evidence, judge
from fedsilo.runs.audit.audit_frame import Asked, at_work, delta_of, framed
from fedsilo.runs.audit.lira import LikelihoodRatio, confidence
from fedsilo.runs.audit.model_scores import CLIENT, SHARED, VIEWS, Observation, Observer, last_checkpoint, observer_of
from fedsilo.runs.audit.roc import auc, curve
from fedsilo.runs.audit.shadow_model_attack import AttackModels
from fedsilo.runs.audit.shadow_runs import Told, carry_out, shadows_of
from fedsilo.runs.audit.verdict import verdict
from fedsilo.storage.run_folder import write_json


@dataclass(frozen=True, slots=True)
class Audit(Asked):
    """What is asked for; of the shadow runs two teach and two are tried, at the least.

    Attributes:
        view: `client` or `shared`, see `observation`.
    """

    least: ClassVar[int] = 4
    why_least: ClassVar[str] = ", half to learn from and half to try"

    view: str = CLIENT


def audit(
    folder: str | Path,
    asked: Audit | None = None,
    told: Told = lambda done, total, name, before: None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Returns the document of an audit, which is also written beside the run's result.

    Args:
        folder: A finished run's.
        asked: What is asked for.
        told: Told of every shadow run that is there.
        progress: Told how far the pool's features are.

    Raises:
        RunError: The run cannot be audited, a shadow run failed, or another audit of it is at work.
        DataError: The run's images are no longer there.
    """
    run, asked = load(folder), asked or Audit()
    _refuse(run, asked)
    with at_work(run) as place:
        observer = observer_of(run, asked.view, progress)
        target = observer.target()
        _refuse_nothing_to_compare(run, observer, target)
        shadows = shadows_of(run, asked.shadows)
        carry_out(shadows, asked.jobs, told)
        seen = [observer.shadow(Run(shadow.folder), shadow.number) for shadow in shadows]
        frame = framed(run, asked, place, {"unit": "example", "view": asked.view})
        document = frame | _findings(run, asked, observer, target, seen)
        document["verdict"] = verdict(document)
    write_json(run.folder / file_name(asked), document)
    return document


def file_name(asked: Audit) -> str:
    """Returns the name of the document in the run's folder."""
    view = "" if asked.view == CLIENT else f"-{asked.view}"
    return f"audit{view}{'-shuffled' if asked.shuffle else ''}.json"


def _refuse(run: Run, asked: Audit) -> None:
    """What can be known before anything is computed."""
    if asked.view not in VIEWS:
        raise RunError(f"view: must be one of {', '.join(VIEWS)}, got '{asked.view}'.")
    asked.refuse(run)
    method, name = run.scenario.method, title_of(run.scenario.method)
    if not method.trains:
        raise RunError(f"{run.folder}: method '{name}' trains nothing, so it has no members. Audit a run that learns.")
    if asked.view == SHARED and not method.uploads:
        raise RunError(f"{run.folder}: method '{name}' shares nothing, so there is no shared view. Use --view client.")
    if any(client.deviations for client in run.manifest.clients) or run.scenario.partition.unseen.classes:
        raise RunError(
            f"{run.folder}: clients with labels of their own, altered images or unseen parties cannot be dealt anew "
            "for shadow runs. Audit a run without them."
        )
    last_checkpoint(run)


def _refuse_nothing_to_compare(run: Run, observer: Observer, target: Observation) -> None:
    judged, labels = observer.population.comparable & target.sound, observer.population.labels
    if not np.isin(labels[judged & target.members], labels[judged & ~target.members]).any():
        raise RunError(
            f"{run.folder}: no client has both trained on images of a class and test images of it, so members have "
            "nobody to be told from. Audit a run whose clients have test images of their own classes."
        )


def _findings(
    run: Run, asked: Audit, observer: Observer, target: Observation, seen: list[Observation]
) -> dict[str, Any]:
    rows, seed = observer.population, run.scenario.seed
    evidence = Evidence(rows, target, seen, delta_of(run), seed, asked.shuffle)
    attacks: list[Attack] = [LikelihoodRatio(), AttackModels(seed)]
    findings = [judge(attack, evidence, len(attacks)) for attack in attacks]
    judged = rows.comparable & target.sound
    untrained = Observation(observer.untrained(), target.members, target.exposed, target.canaries)
    return {
        "members": int((judged & target.members).sum()),
        "non_members": int((judged & ~target.members).sum()),
        "left_out": {
            "trained_images_in_no_batch": int((rows.comparable & ~target.sound).sum()),
            "without_counterpart": int((rows.alone & ~rows.comparable).sum()),
            "held_twice": int((~rows.alone).sum()),
        },
        "untrained_auc": auc(*curve(confidence(untrained, rows)[judged], target.members[judged])),
        "attacks": [asdict(finding) for finding in findings],
    }
