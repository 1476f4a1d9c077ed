"""Image features for the scores of a partition: encoded for the purpose, or taken from a run that has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsilo.backbone.cache import FeatureCache
from fedsilo.backbone.extraction import extract
from fedsilo.backbone.features import Viewing
from fedsilo.backbone.loading import load
from fedsilo.backbone.section import Backbone
from fedsilo.contracts import Indices, LabelledImages, Progress
from fedsilo.heterogeneity import Pictured, Scores, images_to_measure, measure
from fedsilo.manifest import Manifest
from fedsilo.preparation import Prepared, frozen_model
from fedsilo.scenario.sections import Scenario

AT_ONCE = 64
"""Images taken from a run's features at once: patch tokens come along, which are large."""


def picture(scenario: Scenario, images: LabelledImages, manifest: Manifest, limit: int, progress: Progress) -> Pictured:
    """Encodes a sample of a partition's training images, as far as the cache lacks them.

    Args:
        scenario: Whose backbone is used.
        images: The data.
        manifest: Who holds what.
        limit: Images at most.
        progress: Told how far the features are.

    Raises:
        BackboneError: The model cannot be had.
        DataError: An image cannot be read.
        ResourceError: The device asked for is not there.
    """
    sample = images_to_measure(manifest, limit)
    loaded = load(scenario.backbone, scenario.seed)
    taken = images.train.take(sample.positions)

    def told(done: int, total: int) -> None:
        progress("images to measure", done, total)

    found = extract(loaded.images, taken, Viewing(), FeatureCache(), told=told)
    model = frozen_model(loaded, images.classes, images.template)
    return Pictured(_name(scenario.backbone), sample, found.pooled[0], taken.labels, model.zero_shot.cpu().numpy())


def measure_prepared(scenario: Scenario, prepared: Prepared) -> Scores:
    """Returns the scores of a run's partition, from the features that the run has; nothing is encoded."""
    if scenario.training.online:
        return measure(prepared.manifest, None, "the run encodes its images anew at every use (training.online)")
    view = 1 if scenario.training.views else 0
    sample = images_to_measure(prepared.manifest)
    name = _name(scenario.backbone) + (f", random view {view}" if view else "")
    features, labels = _taken(prepared, sample.positions, view), prepared.images.train.labels[sample.positions]
    return measure(prepared.manifest, Pictured(name, sample, features, labels, prepared.model.zero_shot.cpu().numpy()))


def _taken(prepared: Prepared, positions: Indices, view: int) -> NDArray[np.float32]:
    parts = np.split(positions, range(AT_ONCE, len(positions), AT_ONCE))
    return np.concatenate([prepared.warehouse.train.batch(part, view)[0].numpy() for part in parts])


def _name(backbone: Backbone) -> str:
    return f"{backbone.name} ({backbone.pretrained})" if backbone.pretrained else backbone.name
