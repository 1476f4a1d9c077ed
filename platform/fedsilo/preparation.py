"""What happens before the first round: data, partition, frozen model, image features.

All of it is a function of the scenario; features come from the cache where they can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch.nn.functional import normalize

from fedsilo.backbone.cache import IN_MEMORY, FeatureCache
from fedsilo.backbone.extraction import extract
from fedsilo.backbone.features import Chunk, EncodedChunk, OnlineFeatures, Viewing
from fedsilo.backbone.images import ImageEncoder
from fedsilo.backbone.loading import LoadedBackbone, load
from fedsilo.contracts import Devices, Examples, FeatureSource, Indices, LabelledImages, Method, Progress
from fedsilo.errors import DataError
from fedsilo.few_shot import few_shot
from fedsilo.imagefiles.reading import inspection_told
from fedsilo.manifest import Manifest, freeze
from fedsilo.prompts.frozen import FrozenModel
from fedsilo.registry import name_of
from fedsilo.scenario.sections import Scenario
from fedsilo.seeds import numpy_generator
from fedsilo.warehouse import Held, Warehouse


class Encoders(Protocol):
    """Whoever encodes images: this process or a group of actors."""

    def devices(self) -> Devices:
        """Returns what is computed where. Raises ResourceError when the device asked for is not there."""
        ...

    def one_machine(self) -> bool:
        """Returns whether all clients live on the machine of this process, and so can read its files."""
        ...

    def encode(self, encoder: ImageEncoder, images: Examples, missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
        """Yields the features of the chunks, in any order."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a federation starts from.

    Attributes:
        name: The scenario's name.
        images: The data set.
        manifest: Who holds what.
        model: The frozen side that all clients share.
        backbone: Fingerprint of the backbone's weights and configuration.
        warehouse: Features and labels of all examples.
        notices: What the user should know, one line each.
    """

    name: str
    images: LabelledImages
    manifest: Manifest
    model: FrozenModel
    backbone: str
    warehouse: Warehouse
    notices: tuple[str, ...]

    def positions(self, client: int) -> tuple[Indices, Indices]:
        """Returns the positions of one client's training and test images."""
        share = self.manifest.shares()[client]
        return share.train, share.test


def prepare(scenario: Scenario, methods: Sequence[Method], runtime: Encoders, progress: Progress) -> Prepared:
    """Returns everything before the rounds.

    Args:
        scenario: The scenario.
        methods: The methods that the run trains, its own and the references.
        runtime: Encodes images, in this process or elsewhere.
        progress: Told how far image files are looked at and features are.

    Raises:
        DataError: The data are missing or cannot be split as asked.
        BackboneError: The model cannot be had, or does not give what the method needs.
        ResourceError: The device asked for is not there.
    """
    with inspection_told(partial(progress, "image files")):
        images, manifest = partition_of(scenario)
    devices = runtime.devices()
    loaded = load(replace(scenario.backbone, device=devices.here), scenario.seed)
    encoder = replace(loaded.images, device=devices.images)
    model = frozen_model(loaded, images.classes, images.template, phrases_of(methods))
    cache = FeatureCache(in_memory=IN_MEMORY if runtime.one_machine() else None)
    tokens = any(method.needs_tokens for method in methods)

    def features(stage: str, examples: Examples, *views: int) -> FeatureSource:
        def encode(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
            return runtime.encode(encoder, examples, missing)

        viewing = Viewing(views, scenario.seed, tokens)
        return extract(encoder, examples, viewing, cache, encode, partial(progress, stage))

    test = features("test images", images.test, 0)
    train: FeatureSource
    if scenario.training.online:
        train = OnlineFeatures(encoder, images.train, scenario.seed, tokens)
    elif images.train is images.test and not scenario.training.views:
        train = test  # one pool of images under both names; encoded by themselves, its parts would be other chunks
    else:
        held = manifest.held  # with few shots of large data, a fraction of it
        views = range(1, scenario.training.views + 1) or (0,)
        train = Held(features("training images", images.train.take(held), *views), held)
    warehouse = Warehouse(train, images.train.labels, test, images.test.labels)
    notices = (*images.notices, *cache.notices, *_unseen(manifest))
    return Prepared(scenario.name, images, manifest, model, loaded.fingerprint, warehouse, notices)


def partition_of(scenario: Scenario) -> tuple[LabelledImages, Manifest]:
    """Returns the data and who holds what of them. Raises DataError."""
    images = scenario.data.load(scenario.seed)
    shares = scenario.partition.split(images, numpy_generator(scenario.seed, "partition"))
    shares = few_shot(images, shares, scenario.partition, scenario.seed)
    if not any(len(share.test) for share in shares):
        raise DataError("partition: no client has a test image, so nothing could be measured. Give more test data.")
    if not any(len(share.train) for share in shares):
        raise DataError("partition: no client has a training image, so nothing could be learnt. Give more data.")
    rule = {"name": name_of(scenario.partition), **asdict(scenario.partition)}
    return images, freeze(images, shares, rule, scenario.seed)


def _unseen(manifest: Manifest) -> list[str]:
    """What is said of clients that have no training image."""
    unseen = [str(client.number) for client in manifest.clients if not client.train]
    if not unseen:
        return []
    return [f"without training images, only measured: client{'s'[: len(unseen) > 1]} {', '.join(unseen)}."]


def phrases_of(methods: Iterable[Method]) -> list[str]:
    """Returns the texts whose token embeddings the methods ask for, each once."""
    return sorted({phrase for method in methods for phrase in method.phrases})


def frozen_model(
    loaded: LoadedBackbone, classes: Sequence[str], template: str, phrases: Sequence[str] = ()
) -> FrozenModel:
    """Returns what clients need of a backbone, for these classes.

    Args:
        loaded: The backbone.
        classes: Class names in label order.
        template: Hand-written prompt with `{}` for the class.
        phrases: Texts whose token embeddings are wanted as well.
    """
    texts = [template.replace("{}", name.replace("_", " ")) for name in classes]
    zero_shot: torch.Tensor = normalize(loaded.encode_texts(texts), dim=-1)
    words = {phrase: loaded.embed(phrase) for phrase in phrases}
    return FrozenModel(loaded.text, loaded.class_tokens(classes), loaded.scale, zero_shot, loaded.device, words)
