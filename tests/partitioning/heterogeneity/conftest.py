"""Emblems and photographs with their features by fedsilo-tiny, encoded once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples, LabelledImages, Partition, Share
from fedsilo.core.seeds import numpy_generator
from fedsilo.data.datasets.emblems import Emblems
from fedsilo.data.datasets.image_folder import ImageFolder
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.features import Viewing
from fedsilo.models.clip.loading import LoadedBackbone, load
from fedsilo.partitioning.heterogeneity import SampleFeatures, Scores, choose_images, measure
from fedsilo.partitioning.heterogeneity.image_scores import normalize_rows
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.simulation.frozen_parts import frozen_model

DATA = Path(os.environ.get("FEDSILO_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


@dataclass(frozen=True)
class Gallery:
    """A data set with the features of all its training images."""

    images: LabelledImages
    features: np.ndarray
    class_features: np.ndarray

    def manifest(self, rule: Partition | list[Share], seed: int = 0) -> Manifest:
        shares = (
            rule if isinstance(rule, list) else rule.split(self.images, numpy_generator(seed, "partition"), self.look)
        )
        return freeze(self.images, shares, {"name": "rule"}, seed)

    def look(self, examples: Examples) -> np.ndarray:
        raise AssertionError("these rules do not look")

    def pictured(self, manifest: Manifest, limit: int = 1000) -> SampleFeatures:
        sample = choose_images(manifest, limit)
        features, labels = self.features[sample.positions], self.images.train.labels[sample.positions]
        return SampleFeatures("fedsilo-tiny", sample, features, labels, self.class_features)

    def measure(self, rule: Partition | list[Share], seed: int = 0) -> Scores:
        manifest = self.manifest(rule, seed)
        return measure(manifest, self.pictured(manifest))


@pytest.fixture(scope="session")
def tiny() -> LoadedBackbone:
    return load(Backbone(device="cpu"))


@pytest.fixture(scope="session")
def encode(tiny: LoadedBackbone) -> Callable[[Examples], np.ndarray]:
    return lambda examples: extract(tiny.images, examples, Viewing()).columns["image"][0]


def gallery(images: LabelledImages, tiny: LoadedBackbone, encode: Callable[[Examples], np.ndarray]) -> Gallery:
    names = frozen_model(tiny, images.classes, images.template).zero_shot.numpy()
    return Gallery(images, encode(images.train), normalize_rows(names).astype(np.float32))


@pytest.fixture(scope="session")
def emblems(tiny: LoadedBackbone, encode: Callable[[Examples], np.ndarray]) -> Gallery:
    domains = ("photo", "sketch", "neon", "mosaic")
    data = Emblems(classes=6, domains=domains, train_per_class_and_domain=14, test_per_class_and_domain=4)
    return gallery(data.load(0), tiny, encode)


@pytest.fixture(scope="session")
def office(tiny: LoadedBackbone, encode: Callable[[Examples], np.ndarray]) -> Gallery:
    """At most 110 training images of each domain."""
    path = DATA / "office_caltech10_96px.zip"
    if not path.is_file():
        pytest.skip(f"the real pack {path.name} is not here; set FEDSILO_DATA to its folder")
    images = ImageFolder(root=str(path), template="a photo of a {}.").load(seed=1)
    generator = np.random.default_rng(0)
    domains = range(len(images.domains))
    taken = [generator.permutation(np.flatnonzero(images.train.domains == domain))[:110] for domain in domains]
    return gallery(replace(images, train=images.train.take(np.concatenate(taken))), tiny, encode)


class Noisy:
    """Images with Gaussian noise of a standard deviation in grey values, 0 to 255; the same noise at every call."""

    def __init__(self, examples: Examples, deviation: float) -> None:
        self._fetch, self._deviation = examples.fetch, deviation

    def __call__(self, number: int) -> Image.Image:
        pixels = np.asarray(self._fetch(number), dtype=np.float64)
        noise = np.random.default_rng(number).normal(0, 1, pixels.shape)
        return Image.fromarray(np.clip(pixels + self._deviation * noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def noisy() -> Callable[[Examples, float], Examples]:
    return lambda examples, deviation: replace(examples, fetch=Noisy(examples, deviation))
