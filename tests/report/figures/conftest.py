"""Partitions with features, made by hand, and pixels of pictures."""

import numpy as np
from PIL import Image

from fedsilo.core import Examples, LabelledImages
from fedsilo.partitioning.heterogeneity import ImageSample, measure
from fedsilo.partitioning.heterogeneity.image_scores import SampleFeatures
from fedsilo.partitioning.manifest import freeze
from fedsilo.report.terminal.partition_table import MeasuredPartition


def blank(i):
    return Image.new("RGB", (1, 1))


def measured(rule, features=True, classes=4, domains=3, size=120, names=None):
    """A partition of drawn labels, with features that tell domains apart."""
    generator = np.random.default_rng(0)

    def examples(number):
        labels, origins = generator.integers(0, classes, number), np.arange(number) % domains
        return Examples(labels, origins, blank, tuple(map(str, range(number))))

    images = LabelledImages(
        classes=names or tuple(f"class {i}" for i in range(classes)),
        domains=tuple(f"domain {i}" for i in range(domains)),
        template="a {}",
        train=examples(size),
        test=examples(size),
    )
    manifest = freeze(images, rule.split(images, generator, print), {"name": "rule"}, 0)
    pictured = None
    if features:
        holdings = [client.train for client in manifest.clients if client.train]
        sample = ImageSample(
            np.array([client.number for client in manifest.clients if client.train]),
            np.concatenate([np.array(held) for held in holdings]),
            np.repeat(np.arange(len(holdings)), [len(held) for held in holdings]),
        )
        found = generator.normal(0, 0.2, (len(sample.positions), 5))
        found[np.arange(len(found)), images.train.domains[sample.positions]] += 1
        labels = images.train.labels[sample.positions]
        pictured = SampleFeatures("toy", sample, found.astype(np.float32), labels, np.eye(classes, 5, dtype=np.float32))
    return MeasuredPartition("a title", manifest, measure(manifest, pictured))


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)
