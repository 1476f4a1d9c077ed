"""Records what a run begins with, and checks that a resumed run begins with the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fedsilo.config.dumping import to_mapping
from fedsilo.config.old_keys import restore_old_keys
from fedsilo.config.sections import Scenario
from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core.errors import RunError
from fedsilo.partitioning.heterogeneity import FILE
from fedsilo.report.figures.partition_figure import draw_partition
from fedsilo.simulation.feature_sample import measure_prepared
from fedsilo.simulation.preparation import Prepared
from fedsilo.storage.candidates_file import hash_candidates, write_candidates
from fedsilo.storage.run_folder import read_json, write_json

HELD_TO = {
    "split_sha256": "data or partition",
    "backbone_sha256": "backbone's weights",
    "settings_sha256": "scenario's settings",
    "candidates_sha256": "candidates (data, or task.feasibility with its files)",
    "identities_sha256": "clients' public keys (aggregation.identities)",
}
"""What must be equal when a run is resumed, by its key in data.json."""

SETTINGS = ("seed", "method", "training", "pace", "trace", "evaluation", "privacy", "aggregation")
"""Sections that a run's numbers depend on, by the names of the first version."""


def keep_origin(scenario: Scenario, prepared: Prepared, folder: Path) -> None:
    """Writes partition, figure, scores and data.json of a new run, or checks that a resumed run begins with the same.

    Args:
        scenario: The run's scenario.
        prepared: Data, partition and model, as prepared now.
        folder: The run's folder.

    Raises:
        RunError: The run began with other data, another partition, backbone or settings, or a file cannot be written.
    """
    path = folder / "data.json"
    if not path.exists():
        prepared.manifest.write(folder / "partition.json")
        draw_partition(prepared.manifest, folder / "partition.png", prepared.name)
        measure_prepared(scenario, prepared).write(folder / FILE)
        write_candidates(folder, prepared.model.candidates)
        write_json(path, _origin(scenario, prepared))
        return
    before, now = read_json(path), _origin(scenario, prepared)
    for name, what in HELD_TO.items():
        if before.get(name) != now.get(name):
            raise RunError(
                f"{folder}: the {what} differ from those the run began with (sha256 {_shorten(now.get(name))}, "
                f"was {_shorten(before.get(name))}). Restore them, or start a new run."
            )


def _origin(scenario: Scenario, prepared: Prepared) -> dict[str, Any]:
    images = prepared.images
    signed = scenario.aggregation.identities_sha256(len(prepared.manifest.clients))
    composed = hash_candidates(prepared.model.candidates)
    return {
        "classes": images.classes,
        "domains": images.domains,
        "template": images.template,
        "train": len(images.train),
        "test": len(images.test),
        **({} if images.validation is None else {"validation": len(images.validation)}),
        "data_sha256": prepared.manifest.fingerprint,
        "split_sha256": prepared.manifest.split_sha256,
        "backbone_sha256": prepared.backbone,
        "settings_sha256": hash_settings(scenario, images.template),
        **({"identities_sha256": signed} if signed else {}),
        **({"candidates_sha256": composed} if composed else {}),
        "notices": images.notices,
    }


def _shorten(digest: object) -> str:
    return digest[:12] if isinstance(digest, str) else "none"


def hash_settings(scenario: Scenario, template: str) -> str:
    """Hashes the settings that a run's numbers depend on. Data, partition and weights have hashes of their own.

    Names, folders and the place of execution are left out, because a run may be moved and resumed on another machine.
    The folder of the clients' identities is left out too; the public keys in it have a hash of their own.

    Args:
        scenario: The scenario.
        template: The data set's hand-written prompt.

    Returns:
        The sha256 as hexadecimal digits.
    """
    written = restore_old_keys(to_mapping(scenario))  # hashes of earlier versions stay what they are
    settings = {section: written[section] for section in SETTINGS}
    settings["aggregation"] = {name: v for name, v in written["aggregation"].items() if name != "identities"}
    if (
        scenario.stragglers == StragglerPolicy() and not scenario.availability.timed
    ):  # hashes of older versions have no such sections
        del settings["pace"], settings["trace"]
    if written["task"] != {"name": "classification"}:
        settings["task"] = written["task"]
    rest = [
        scenario.backbone.precision,
        scenario.actors.threads,
        template,
        *(["tf32"] if scenario.backbone.tf32 else []),
    ]
    return hashlib.sha256(json.dumps([settings, rest], sort_keys=True).encode()).hexdigest()
