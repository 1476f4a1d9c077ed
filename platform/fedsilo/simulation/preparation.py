"""What happens before the first round: data, partition, frozen model, image features.

All of it is a function of the scenario; features come from the cache where it has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from fedsilo.config.dumping import describe_component
from fedsilo.config.sections import Scenario
from fedsilo.core import FeatureExtractor, FeatureSource, LabelledImages, Method, Progress, Share
from fedsilo.core.batch import IMAGE
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.data.files.image_reading import inspection_told
from fedsilo.models.clip.distinct_features import require_distinct
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.partitioning.dealing.base_to_new import split_base_to_new
from fedsilo.partitioning.dealing.few_shot import draw_shots
from fedsilo.partitioning.dealing.post_partition_steps import apply_post_split, split_without_domains
from fedsilo.partitioning.dealing.seen_pairs import split_seen_pairs
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.simulation.client_views import client_indices, labels_as_held, list_rows
from fedsilo.simulation.feature_encoding import Encoders, FeatureEncoding, build_look
from fedsilo.simulation.feature_store import ClientIndices, FeatureStore, IndexedFeatures
from fedsilo.simulation.frozen_parts import frozen_model, gather_evidence, image_blocks_of, phrases_of, reads_of


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
    """Makes everything that the rounds need: data, partition, frozen model, features.

    Args:
        scenario: The scenario.
        methods: The methods that the run trains, its own and the references.
        runtime: Encodes images, in this process or elsewhere.
        progress: Called with the stage, images done and images in all.

    Returns:
        What was made.

    Raises:
        DataError: The data are missing or cannot be split as asked.
        BackboneError: The model cannot be loaded, or does not give what the method needs.
        ResourceError: The device that the scenario names does not exist.
    """
    encoding = FeatureEncoding(scenario, runtime, progress)
    with inspection_told(partial(progress, "image files")):
        images, manifest = partition_of(scenario, encoding.look)
    loaded = encoding.backbone
    candidates = scenario.task.candidates(images)
    model = frozen_model(
        loaded, images.classes, images.template, phrases_of(methods), candidates, image_blocks_of(methods)
    )
    trained, measured = (list_rows(part, *manifest.states(split)) for split, part in images.splits())
    wanted = reads_of(methods)
    learnt = reads_of([method for method in methods if method.trains]) or wanted
    validation = encoding.validation(images, wanted)
    size = scenario.evaluation.batch_size
    limited, limits = scenario.task.limit(candidates, gather_evidence(loaded, model, validation, size))
    model = replace(model, candidates=limited)
    test = encoding.columns("test images", measured.examples, wanted, 0)
    require_distinct(encoding.encoder, test, measured.examples)
    train: FeatureSource
    if scenario.training.online:
        train = encoding.online(trained.examples, learnt)
    elif trained.examples is measured.examples and not scenario.training.views:
        train = test  # one pool of images under both names; encoded by themselves, its parts would be other chunks
    else:
        held = trained.held  # with few shots of large data, a fraction of it
        views = range(1, scenario.training.views + 1) or (0,)
        train = IndexedFeatures(encoding.columns("training images", trained.examples.take(held), learnt, *views), held)
    claims = client_indices(manifest, trained, measured)
    labels, novelty = labels_as_held(measured, claims), encoding.novelty(images, wanted)
    warehouse = FeatureStore(train, test, labels, novelty, validation)
    notices = (*images.notices, *limits, *encoding.cache.notices, *_unseen(manifest))
    notices += tuple(scenario.aggregation.identity_notices(len(claims)))
    return Prepared(scenario.name, images, manifest, model, loaded.fingerprint, warehouse, claims, notices, learnt)


def partition_of(scenario: Scenario, look: FeatureExtractor | None = None) -> tuple[LabelledImages, Manifest]:
    """Reads the data and splits them.

    Args:
        scenario: The scenario.
        look: Gives image features to partitions that need them; None: the backbone is loaded when one does.

    Returns:
        The data, and who holds what of them.

    Raises:
        DataError: The data are missing or cannot be split as asked.
    """
    rule = scenario.partition
    images = split_base_to_new(scenario.data.load(scenario.seed), rule.unseen.classes)

    def split_all(part: LabelledImages) -> list[Share]:
        return rule.split(part, numpy_generator(scenario.seed, "partition"), look or build_look(scenario))

    def split(part: LabelledImages) -> list[Share]:
        return split_all(part) if rule.frozen else split_seen_pairs(part, split_all, scenario.seed)

    shares = draw_shots(images, split_without_domains(images, rule.unseen.domains, split), rule, scenario.seed)
    shares = apply_post_split(images, shares, rule, scenario.seed)
    if not any(len(share.test) for share in shares):
        raise DataError("partition: no client has a test image, so nothing could be measured. Give more test data.")
    if not any(len(share.train) for share in shares):
        raise DataError("partition: no client has a training image, so nothing could be learnt. Give more data.")
    described = {**describe_component(rule), "test": rule.measured_on(images)}
    return images, freeze(images, shares, described, scenario.seed)


def _unseen(manifest: Manifest) -> list[str]:
    """What is said of clients that do not train."""
    empty = [str(client.number) for client in manifest.clients if not client.train]
    unseen = [str(client.number) for client in manifest.clients if not client.seen]
    said = (("without training images, only measured", empty), ("never training, measured by themselves", unseen))
    return [f"{what}: client{'s'[: len(which) > 1]} {', '.join(which)}." for what, which in said if which]
