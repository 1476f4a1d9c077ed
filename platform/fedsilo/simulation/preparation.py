"""What happens before the first round: data, partition, frozen model, image features.

All of it is a function of the scenario; features come from the cache where they can.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from fedsilo.config.dumping import describe_component
from fedsilo.config.sections import Scenario
from fedsilo.core import Candidates, Devices, Examples, FeatureSource, LabelledImages, Look, Method, Progress, Share
from fedsilo.core.batch import IMAGE, PIXELS, group_encoded_columns, named
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.data.files.image_reading import inspection_told
from fedsilo.models.clip.conversion import image_tail_of
from fedsilo.models.clip.extraction import extract
from fedsilo.models.clip.feature_cache import IN_MEMORY, FeatureCache
from fedsilo.models.clip.features import Chunk, EncodedChunk, OnlineFeatures, Viewing
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.informative_features import require_apart
from fedsilo.models.clip.loading import LoadedBackbone, load
from fedsilo.models.clip.pixels import Pixels
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.partitioning.dealing.base_to_new import based
from fedsilo.partitioning.dealing.few_shot import few_shot
from fedsilo.partitioning.dealing.post_split import apart_from, finished
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.simulation.client import Novelty
from fedsilo.simulation.client_views import appearing, claims_of, labels_as_held
from fedsilo.simulation.feature_store import ClientIndices, FeatureStore, IndexedFeatures, JoinedSources

LOOKED_AT = "images to be split"
"""The stage of preparation in which a partition goes by what images look like."""


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
        warehouse: Features of all examples.
        claims: What of it each client holds, in client order.
        notices: What the user should know, one line each.
        learnt: Columns that the training images have.
    """

    name: str
    images: LabelledImages
    manifest: Manifest
    model: FrozenModel
    backbone: str
    warehouse: FeatureStore
    claims: tuple[ClientIndices, ...]
    notices: tuple[str, ...]
    learnt: frozenset[str] = frozenset({IMAGE})


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
    encoding = Encoding(scenario, runtime, progress)
    with inspection_told(partial(progress, "image files")):
        images, manifest = partition_of(scenario, encoding.look)
    loaded = encoding.backbone
    candidates = scenario.task.candidates(images)
    model = frozen_model(
        loaded, images.classes, images.template, phrases_of(methods), candidates, image_blocks_of(methods)
    )
    trained, measured = (appearing(part, *manifest.states(split)) for split, part in images.splits())
    wanted = reads_of(methods)
    learnt = reads_of([method for method in methods if method.trains]) or wanted
    test = encoding.columns("test images", measured.examples, wanted, 0)
    require_apart(encoding.encoder, test, measured.examples)
    train: FeatureSource
    if scenario.training.online:
        train = encoding.online(trained.examples, learnt)
    elif trained.examples is measured.examples and not scenario.training.views:
        train = test  # one pool of images under both names; encoded by themselves, its parts would be other chunks
    else:
        held = trained.held  # with few shots of large data, a fraction of it
        views = range(1, scenario.training.views + 1) or (0,)
        train = IndexedFeatures(encoding.columns("training images", trained.examples.take(held), learnt, *views), held)
    claims = claims_of(manifest, trained, measured)
    warehouse = FeatureStore(train, test, labels_as_held(measured, claims), encoding.novelty(images, wanted))
    notices = (*images.notices, *encoding.cache.notices, *_unseen(manifest))
    notices += tuple(scenario.aggregation.identity_notices(len(claims)))
    return Prepared(scenario.name, images, manifest, model, loaded.fingerprint, warehouse, claims, notices, learnt)


class Encoding:
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
        """Returns columns of some images in some views: pixels made when asked for, the others encoded here."""
        sources: list[tuple[FeatureSource, frozenset[str]]] = [
            (self.features(stage, examples, group, *views), frozenset(group)) for group in group_encoded_columns(wanted)
        ]
        if PIXELS in wanted:
            sources.append((self.pixels(examples), frozenset({PIXELS})))
        return sources[0][0] if len(sources) == 1 else JoinedSources(tuple(sources))

    def pixels(self, examples: Examples) -> Pixels:
        """Returns the images as the image tower takes them."""
        return Pixels(self.backbone.images.preprocessing, examples, self._scenario.seed)

    def online(self, examples: Examples, wanted: Collection[str]) -> FeatureSource:
        """Returns columns of some images that are made when they are asked for, in any view."""
        pixels = self.pixels(examples)
        return OnlineFeatures(self.encoder, pixels, tuple(sorted(wanted))) if set(wanted) != {PIXELS} else pixels

    def features(self, stage: str, examples: Examples, group: tuple[str, ...], *views: int) -> FeatureSource:
        """Returns columns that are encoded together, in some views, from the cache where it has them."""
        encoder = self.encoder

        def encode(missing: Sequence[Chunk]) -> Iterable[EncodedChunk]:
            return self._runtime.encode(encoder, examples, missing)

        viewing = Viewing(views, self._scenario.seed, group)
        return extract(encoder, examples, viewing, self.cache, encode, partial(self._progress, stage))

    def look(self, examples: Examples) -> NDArray[np.float32]:
        """Returns (n, D) features of length 1, for partitions that go by what images look like."""
        return looks(self.features(LOOKED_AT, examples, (IMAGE,), 0))

    def novelty(self, images: LabelledImages, wanted: Collection[str]) -> Novelty | None:
        """Returns what clients need of classes that nobody trains on; None where there are none."""
        new = images.newcomers
        if new is None:
            return None
        tokens = {name: t.cpu().numpy() for name, t in self.backbone.class_tokens(new.classes).tensors().items()}
        texts = zero_shot(self.backbone, new.classes, images.template).cpu().numpy()
        return Novelty(tokens, texts, self.columns("images of new classes", new.test, wanted, 0), new.test.labels)


def partition_of(scenario: Scenario, look: Look | None = None) -> tuple[LabelledImages, Manifest]:
    """Returns the data and who holds what of them.

    Args:
        scenario: The scenario.
        look: Gives image features to partitions that need them; None: the backbone is loaded when one does.

    Raises:
        DataError: The data are missing or cannot be split as asked.
    """
    rule = scenario.partition
    images = based(scenario.data.load(scenario.seed), rule.unseen.classes)

    def split(part: LabelledImages) -> list[Share]:
        return rule.split(part, numpy_generator(scenario.seed, "partition"), look or looking(scenario))

    shares = few_shot(images, apart_from(images, rule.unseen.domains, split), rule, scenario.seed)
    shares = finished(images, shares, rule, scenario.seed)
    if not any(len(share.test) for share in shares):
        raise DataError("partition: no client has a test image, so nothing could be measured. Give more test data.")
    if not any(len(share.train) for share in shares):
        raise DataError("partition: no client has a training image, so nothing could be learnt. Give more data.")
    return images, freeze(images, shares, describe_component(rule), scenario.seed)


def looking(scenario: Scenario, progress: Progress = lambda stage, done, total: None) -> Look:
    """Returns a function from images to features by the scenario's backbone, which is loaded when it is first called.

    Args:
        scenario: Whose backbone is used.
        progress: Told how far the features are.
    """
    backbone = cache(partial(load, scenario.backbone, scenario.seed))

    def look(examples: Examples) -> NDArray[np.float32]:
        told = partial(progress, LOOKED_AT)
        return looks(extract(backbone().images, examples, Viewing(), FeatureCache(), told=told))

    return look


def looks(features: FeatureSource) -> NDArray[np.float32]:
    """Returns (n, D) pooled features of length 1."""
    pooled = features.batch(np.arange(len(features)), 0)[IMAGE]
    return np.asarray(normalize(pooled, dim=1).numpy())


def _unseen(manifest: Manifest) -> list[str]:
    """What is said of clients that do not train."""
    empty = [str(client.number) for client in manifest.clients if not client.train]
    unseen = [str(client.number) for client in manifest.clients if not client.seen]
    said = (("without training images, only measured", empty), ("never training, measured by themselves", unseen))
    return [f"{what}: client{'s'[: len(which) > 1]} {', '.join(which)}." for what, which in said if which]


def phrases_of(methods: Iterable[Method]) -> list[str]:
    """Returns the texts whose token embeddings the methods ask for, each once."""
    return sorted({phrase for method in methods for phrase in method.phrases})


def reads_of(methods: Iterable[Method]) -> frozenset[str]:
    """Returns the columns that some method reads."""
    return frozenset().union(*(method.reads for method in methods))


def image_blocks_of(methods: Iterable[Method]) -> int | None:
    """Returns the first block of the image tower that a method runs itself; None where none does."""
    return min((m.needs_image_blocks for m in methods if m.needs_image_blocks is not None), default=None)


def frozen_model(
    loaded: LoadedBackbone,
    classes: Sequence[str],
    template: str,
    phrases: Sequence[str] = (),
    candidates: Candidates | None = None,
    image_blocks: int | None = None,
) -> FrozenModel:
    """Returns what clients need of a backbone, for these classes.

    Args:
        loaded: The backbone.
        classes: Class names in label order.
        template: Hand-written prompt with `{}` for the class.
        phrases: Texts whose token embeddings are wanted as well.
        candidates: What scores are over; the classes by default.
        image_blocks: First block of the image tower that clients run themselves; None: none.

    Raises:
        BackboneError: The image tower has no such block.
    """
    words = {phrase: loaded.embed(phrase) for phrase in phrases}
    texts = zero_shot(loaded, classes, template)
    over = candidates or named(tuple(classes))
    tokens = loaded.class_tokens(over.texts)
    tail = None if image_blocks is None else image_tail_of(loaded.images, image_blocks).to(loaded.device)
    return FrozenModel(loaded.text, tokens, loaded.scale, texts, over, loaded.device, words, tail)


def zero_shot(loaded: LoadedBackbone, classes: Sequence[str], template: str) -> torch.Tensor:
    """Returns (K, D) normalised features of the hand-written prompt of each class."""
    texts = [template.replace("{}", name.replace("_", " ")) for name in classes]
    return normalize(loaded.encode_texts(texts, classes), dim=-1)
