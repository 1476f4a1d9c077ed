"""Columns of a run's images: encoded by the image tower of the backbone, or read from the feature cache."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch.nn.functional import normalize

from fedsilo.config.sections import Scenario
from fedsilo.core import Devices, Examples, FeatureExtractor, FeatureSource, LabelledImages, Progress
from fedsilo.core.batch import IMAGE, PIXELS, group_encoded_columns
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.feature_cache import IN_MEMORY, FeatureCache
from fedsilo.models.clip.features import Chunk, EncodedChunk, OnlineFeatures, Viewing
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.loading import LoadedBackbone, load
from fedsilo.models.clip.pixels import Pixels
from fedsilo.simulation.client_data import Novelty, ValidationImages
from fedsilo.simulation.feature_store import JoinedSources
from fedsilo.simulation.frozen_parts import zero_shot

LOOKED_AT = "images to be split"
"""The stage of preparation in which a partition goes by what images look like."""


class Encoders(Protocol):
    """What encodes images: this process or a group of actors."""

    def devices(self) -> Devices:
        """Returns what is computed where. Raises ResourceError when the device asked for is not there."""
        ...

    def one_machine(self) -> bool:
        """Returns whether all clients live on the machine of this process, and so can read its files."""
        ...

    def encode(self, encoder: ImageEncoder, images: Examples, missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
        """Encodes images that the cache lacks.

        Args:
            encoder: The image tower.
            images: The images.
            missing: Parts of them, with the views and columns that are missing.

        Returns:
            The features of each part, in any order.
        """
        ...


class FeatureEncoding:
    """Columns of a run's images: the backbone, loaded when the first are asked for, and the cache."""

    def __init__(self, scenario: Scenario, runtime: Encoders, progress: Progress) -> None:
        """Encodes by a runtime; progress is told how far it is."""
        self._scenario, self._runtime, self._progress = scenario, runtime, progress
        self._devices = runtime.devices()
        self.cache = FeatureCache(in_memory=IN_MEMORY if runtime.one_machine() else None)

    @cached_property
    def backbone(self) -> LoadedBackbone:
        """The model, where the driver computes."""
        return load(replace(self._scenario.backbone, device=self._devices.here), self._scenario.seed)

    @property
    def encoder(self) -> ImageEncoder:
        """Its image tower, where images are encoded."""
        return replace(self.backbone.images, device=self._devices.images)

    def columns(self, stage: str, examples: Examples, wanted: Collection[str], *views: int) -> FeatureSource:
        """Gives columns of some images: pixels on demand, the others encoded here.

        Args:
            stage: Name of the stage for progress.
            examples: The images.
            wanted: Names of the columns.
            *views: Numbers of the random views; 0 for images without one.

        Returns:
            A source of these columns.
        """
        sources: list[tuple[FeatureSource, frozenset[str]]] = [
            (self.features(stage, examples, group, *views), frozenset(group)) for group in group_encoded_columns(wanted)
        ]
        if PIXELS in wanted:
            sources.append((self.pixels(examples), frozenset({PIXELS})))
        return sources[0][0] if len(sources) == 1 else JoinedSources(tuple(sources))

    def pixels(self, examples: Examples) -> Pixels:
        """Gives images as the image tower takes them, on demand.

        Args:
            examples: The images.

        Returns:
            A source of the column "pixels".
        """
        return Pixels(self.backbone.images.preprocessing, examples, self._scenario.seed)

    def online(self, examples: Examples, wanted: Collection[str]) -> FeatureSource:
        """Gives columns that are computed on demand, in any view.

        Args:
            examples: The images.
            wanted: Names of the columns.

        Returns:
            A source of these columns.
        """
        pixels = self.pixels(examples)
        return OnlineFeatures(self.encoder, pixels, tuple(sorted(wanted))) if set(wanted) != {PIXELS} else pixels

    def features(self, stage: str, examples: Examples, group: tuple[str, ...], *views: int) -> FeatureSource:
        """Gives columns that are encoded together, in some views, from the cache where it has them.

        Args:
            stage: Name of the stage for progress.
            examples: The images.
            group: Names of the columns.
            *views: Numbers of the random views; 0 for images without one.

        Returns:
            A source of these columns.
        """
        encoder = self.encoder

        def encode(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
            return self._runtime.encode(encoder, examples, missing)

        viewing = Viewing(views, self._scenario.seed, group)
        return extract(encoder, examples, viewing, self.cache, encode, partial(self._progress, stage))

    def look(self, examples: Examples) -> NDArray[np.float32]:
        """Encodes images for partitions that depend on what images look like.

        Args:
            examples: n images.

        Returns:
            (n, D) features of length 1.
        """
        return read_look(self.features(LOOKED_AT, examples, (IMAGE,), 0))

    def novelty(self, images: LabelledImages, wanted: Collection[str]) -> Novelty | None:
        """Prepares the test images of classes that no client trains on.

        Args:
            images: The data.
            wanted: Names of the columns.

        Returns:
            What clients need to be measured on them; None without such classes.
        """
        new = images.newcomers
        if new is None:
            return None
        tokens = {name: t.cpu().numpy() for name, t in self.backbone.class_tokens(new.classes).tensors().items()}
        texts = zero_shot(self.backbone, new.classes, images.template).cpu().numpy()
        return Novelty(tokens, texts, self.columns("images of new classes", new.test, wanted, 0), new.test.labels)

    def validation(self, images: LabelledImages, wanted: Collection[str]) -> ValidationImages | None:
        """Prepares the images by which a model is selected.

        Args:
            images: The data.
            wanted: Names of the columns.

        Returns:
            What clients need to be measured on them; None without such images.
        """
        held = images.validation
        if held is None or not len(held):
            return None
        return ValidationImages(self.columns("validation images", held, wanted, 0), held.labels)


def build_look(scenario: Scenario, progress: Progress = lambda stage, done, total: None) -> FeatureExtractor:
    """Builds a function from images to features; the backbone is loaded at its first call.

    Args:
        scenario: Whose backbone is used.
        progress: Called with the stage, images done and images in all.

    Returns:
        A function from n images to (n, D) features of length 1.
    """
    backbone = cache(partial(load, scenario.backbone, scenario.seed))

    def look(examples: Examples) -> NDArray[np.float32]:
        told = partial(progress, LOOKED_AT)
        return read_look(extract(backbone().images, examples, Viewing(), FeatureCache(), progress=told))

    return look


def read_look(features: FeatureSource) -> NDArray[np.float32]:
    """Reads pooled features from a source.

    Args:
        features: A source of n images with the column "image".

    Returns:
        (n, D) features of length 1.
    """
    pooled = features.batch(np.arange(len(features)), 0)[IMAGE]
    return np.asarray(normalize(pooled, dim=1).numpy())
