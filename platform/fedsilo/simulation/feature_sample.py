"""Image features for the scores of a partition: encoded for the purpose, or taken from a run that has them."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from fedsilo.config.sections import Scenario
from fedsilo.core import Indices, LabelledImages, Progress, Share
from fedsilo.core.batch import IMAGE
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.models.clip.features import Viewing
from fedsilo.models.clip.loading import load
from fedsilo.partitioning.heterogeneity import ImageSample, SampleFeatures, Scores, choose_images, measure
from fedsilo.partitioning.manifest import Manifest
from fedsilo.simulation.client_views import list_rows
from fedsilo.simulation.frozen_parts import zero_shot
from fedsilo.simulation.preparation import Prepared

AT_ONCE = 64
"""Images taken from a run's features at once."""


def sample_features(
    scenario: Scenario, images: LabelledImages, manifest: Manifest, limit: int, progress: Progress
) -> SampleFeatures:
    """Encodes a sample of a partition's training images, as far as the cache lacks them.

    Args:
        scenario: Whose backbone is used.
        images: The data.
        manifest: Who holds what.
        limit: Most images that are encoded.
        progress: Called with the stage, images done and images in all.

    Returns:
        The features and the sampled images.

    Raises:
        BackboneError: The model cannot be loaded.
        DataError: An image cannot be read.
        ResourceError: The device that the scenario names does not exist.
    """
    sample = choose_images(manifest, limit)
    loaded = load(scenario.backbone, scenario.seed)
    own = _own(manifest, sample)
    seen = list_rows(
        images.train, [share.train[places] for share, places in own], [share.alteration for share, _ in own]
    )
    taken = seen.examples.take(np.concatenate(seen.places))
    told = partial(progress, "images to measure")
    features = extract(loaded.images, taken, Viewing(), FeatureCache(), progress=told)
    pooled = features.batch(np.arange(len(taken)), 0)[IMAGE]
    labels = [
        images.train.labels[share.train[places]] if share.train_labels is None else share.train_labels[places]
        for share, places in own
    ]
    texts = zero_shot(loaded, images.classes, images.template).cpu().numpy()
    return SampleFeatures(_name(scenario.backbone), sample, pooled.numpy(), np.concatenate(labels), texts)


def _own(manifest: Manifest, sample: ImageSample) -> list[tuple[Share, Indices]]:
    """What the clients of a sample hold, each with the places of its sampled images among its training images."""
    found = []
    for number, client in enumerate(sample.clients.tolist()):
        share = manifest.clients[client].share
        found.append((share, np.searchsorted(share.train, sample.positions[sample.owners == number])))
    return found


def measure_prepared(scenario: Scenario, prepared: Prepared) -> Scores:
    """Computes the heterogeneity of a run's partition from the features that the run has; encodes nothing.

    Args:
        scenario: The scenario.
        prepared: What was made before round 0.

    Returns:
        The scores.
    """
    if scenario.training.online:
        return measure(prepared.manifest, None, "the run encodes its images again at every use (training.online)")
    if IMAGE not in prepared.learnt:
        why = "what the run trains reads no image features; `fedsilo partition` computes them"
        return measure(prepared.manifest, None, why)
    view = 1 if scenario.training.views else 0
    sample = choose_images(prepared.manifest)
    name = _name(scenario.backbone) + (f", random view {view}" if view else "")
    places = [places for _, places in _own(prepared.manifest, sample)]
    own = [(prepared.claims[client], here) for client, here in zip(sample.clients.tolist(), places, strict=True)]
    features = _taken(prepared, np.concatenate([claim.train[here] for claim, here in own]), view)
    labels = np.concatenate([claim.train_labels[here] for claim, here in own])
    return measure(
        prepared.manifest, SampleFeatures(name, sample, features, labels, prepared.model.zero_shot.cpu().numpy())
    )


def _taken(prepared: Prepared, rows: Indices, view: int) -> NDArray[np.float32]:
    parts, train = np.split(rows, range(AT_ONCE, len(rows), AT_ONCE)), prepared.warehouse.train.only({IMAGE})
    return np.concatenate([train.batch(part, view)[IMAGE].numpy() for part in parts])


def _name(backbone: Backbone) -> str:
    return f"{backbone.name} ({backbone.pretrained})" if backbone.pretrained else backbone.name
