"""What a run begins with, written once into its folder, and whether a resumed run still begins with the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fedsilo.config.dumping import to_mapping
from fedsilo.config.sections import Scenario
from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core.errors import RunError
from fedsilo.partitioning.heterogeneity import FILE
from fedsilo.report.figures.partition_figure import draw_partition
from fedsilo.simulation.feature_sample import measure_prepared
from fedsilo.simulation.preparation import Prepared
from fedsilo.storage.run_folder import read_json, write_json

HELD_TO = {
    "split_sha256": "data or partition",
    "backbone_sha256": "backbone's weights",
    "settings_sha256": "scenario's settings",
    "identities_sha256": "clients' public keys (aggregation.identities)",
}
"""What a resumed run must have in common with its beginning, by its name in data.json."""

SETTINGS = ("seed", "method", "training", "pace", "trace", "evaluation", "privacy", "aggregation")


def keep_origin(scenario: Scenario, prepared: Prepared, folder: Path) -> None:
    """Writes partition, picture, scores and data.json into a new run's folder, or holds a resumed run to them.

    Raises:
        RunError: The run began with other data, another partition, backbone or settings, or cannot be written.
    """
    path = folder / "data.json"
    if not path.exists():
        prepared.manifest.write(folder / "partition.json")
        draw_partition(prepared.manifest, folder / "partition.png", prepared.name)
        measure_prepared(scenario, prepared).write(folder / FILE)
        write_json(path, _origin(scenario, prepared))
        return
    before, now = read_json(path), _origin(scenario, prepared)
    for name, what in HELD_TO.items():
        if before.get(name) != now.get(name):
            raise RunError(
                f"{folder}: the {what} are not those the run began with (sha256 {_shown(now.get(name))}, "
                f"was {_shown(before.get(name))}). Put them back, or start a new run."
            )


def _origin(scenario: Scenario, prepared: Prepared) -> dict[str, Any]:
    images = prepared.images
    signed = scenario.aggregation.identities_sha256(len(prepared.manifest.clients))
    return {
        "classes": images.classes,
        "domains": images.domains,
        "template": images.template,
        "train": len(images.train),
        "test": len(images.test),
        "data_sha256": prepared.manifest.fingerprint,
        "split_sha256": prepared.manifest.split_sha256,
        "backbone_sha256": prepared.backbone,
        "settings_sha256": settings_sha256(scenario, images.template),
        **({"identities_sha256": signed} if signed else {}),
        "notices": images.notices,
    }


def _shown(digest: object) -> str:
    return digest[:12] if isinstance(digest, str) else "none"


def settings_sha256(scenario: Scenario, template: str) -> str:
    """Returns the hash of what the numbers depend on beside data, partition and weights, which have their own.

    Names, folders and places to run are not in it: a run may be moved and resumed on other machines. Of the clients'
    identities the folder is none of the settings, and the public keys in it have a hash of their own.
    """
    written = to_mapping(scenario)
    settings = {section: written[section] for section in SETTINGS}
    settings["aggregation"] = {name: v for name, v in written["aggregation"].items() if name != "identities"}
    if scenario.pace == StragglerPolicy() and not scenario.trace.timed:  # as it was before there were these sections
        del settings["pace"], settings["trace"]
    rest = [
        scenario.backbone.precision,
        scenario.actors.threads,
        template,
        *(["tf32"] if scenario.backbone.tf32 else []),
    ]
    return hashlib.sha256(json.dumps([settings, rest], sort_keys=True).encode()).hexdigest()
