"""Small worlds for tests: a random text tower, clustered features, clients on them. No images, no downloads."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.aggregation.plain import Plain
from fedsilo.core import Aggregation, Examples, Indices, LabelledImages, Mechanism, Method, Share, State
from fedsilo.core.batch import Candidates
from fedsilo.core.round_work import LocalWork
from fedsilo.core.state import to_arrays
from fedsilo.core.training_settings import Optimizer, Training
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.image_tail import ImageTail, TailMeta
from fedsilo.models.clip.text_tower import TextTower, TowerMeta
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.partitioning.manifest import freeze
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation.client import Client, ClientData, ClientRules
from fedsilo.simulation.feature_store import ClientIndices, FeatureStore
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import FederationPlan, Outcome
from fedsilo.simulation.job import Job, JobPart
from fedsilo.simulation.noise_calibration import fit_mechanism
from fedsilo.simulation.preparation import Prepared
from fedsilo.simulation.schedule import Schedule
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals
from fedsilo.tasks.classification import Classification

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
WIDTH, JOINT, LAYERS, CLASSES, PATCHES = 16, 8, 2, 5, 4
COMPOSITION = "a photo of"
ATTRIBUTES, OBJECTS = ("dark", "light"), ("cat", "red dog", "bird")
PAIRS = np.array([[0, 0], [0, 1], [1, 1], [1, 2], [0, 2]])
"""Attribute and object of each of the five classes."""


@dataclass(frozen=True)
class World:
    """A federation's ingredients."""

    model: FrozenModel
    warehouse: FeatureStore
    train_labels: Indices
    train: list[Indices]
    test: list[Indices]
    rules: ClientRules
    mechanism: Mechanism

    def clients(self, method: Method) -> list[Client]:
        mechanism = self.fitted(method)
        made = [Client(self.portion(client), self.model, self.rules) for client in range(len(self.train))]
        for client in made:
            client.set_method(method, mechanism)
        return made

    def claim(self, client: int) -> ClientIndices:
        train, test = self.train[client], self.test[client]
        return ClientIndices(client, train, test, self.train_labels[train], self.warehouse.test_labels[test])

    def portion(self, client: int) -> ClientData:
        return self.warehouse.portion(self.claim(client))

    def fitted(self, method: Method) -> Mechanism:
        sizes = tuple(len(part) for part in self.train)
        return fit_mechanism(self.mechanism, Schedule(method, self.rules.training, sizes, self.rules.seed))

    def work(self, method: Method, client: int = 0, shared: State | None = None, **changes: Any) -> LocalWork:
        """One client's work in round 0, on the initial state where none is given."""
        data, seed = self.portion(client), self.rules.seed
        work = LocalWork(
            model=self.model,
            task=self.rules.task,
            features=data.train,
            labels=torch.from_numpy(np.array(data.train_labels)),
            shared=method.download(method.initial_shared(self.model, seed), client) if shared is None else shared,
            private=method.initial_private(self.model, seed, client),
            training=self.rules.training,
            mechanism=self.fitted(method),
            seed=seed,
            client=client,
            round=0,
            exchange=0,
        )
        return replace(work, **changes)

    def federate(self, method: Method, folder: Path) -> Outcome:
        """All rounds, in a folder that is made; serial."""
        folder.mkdir()
        backend, checkpoints = SerialBackend(self.clients(method)), Checkpoints(folder / "checkpoints", 2)
        return Federation(self.plan(method), backend, Journals(folder), checkpoints).run(lambda record: None)

    def prepared(self) -> Prepared:
        """What a runtime is given; its images are never looked at."""

        def examples(labels: Indices, split: str) -> Examples:
            digests = tuple(f"{split}{n}" for n in range(len(labels)))
            return Examples(labels, np.zeros_like(labels), _no_image, digests)

        images = LabelledImages(
            tuple("abcde"),
            ("plain",),
            "a {}.",
            examples(self.train_labels, "train"),
            examples(self.warehouse.test_labels, "test"),
        )
        shares = [Share(a, b) for a, b in zip(self.train, self.test, strict=True)]
        manifest = freeze(images, shares, {"name": "toy"}, self.rules.seed)
        claims = tuple(map(self.claim, range(len(self.train))))
        return Prepared("toy", images, manifest, self.model, "toy", self.warehouse, claims, ())

    def job(self, folder: Path, method: Method, **changes: object) -> Job:
        return Job(folder, (JobPart("method", folder, self.plan(method, **changes)),), 2)

    def plan(self, method: Method, **changes: object) -> FederationPlan:
        plan = FederationPlan(
            method=method,
            task=self.rules.task,
            training=self.rules.training,
            evaluate_every=1,
            mechanism=self.fitted(method),
            aggregation=self.rules.aggregation or Plain(),
            seed=self.rules.seed,
            sizes=tuple(len(part) for part in self.train),
            initial=to_arrays(method.initial_shared(self.model, self.rules.seed)),
        )
        return replace(plan, **changes)  # type: ignore[arg-type]


def _no_image(number: int) -> Image.Image:
    raise AssertionError("features are at hand, no image is needed")


def random_blocks(generator: torch.Generator) -> dict[str, Tensor]:
    def draw(*shape: int) -> Tensor:
        return 0.3 * torch.randn(*shape, generator=generator)

    tensors = {}
    for name in ["norm", *(f"blocks.{i}.norm_{j}" for i in range(LAYERS) for j in (1, 2))]:
        tensors |= {f"{name}.weight": torch.ones(WIDTH), f"{name}.bias": torch.zeros(WIDTH)}
    shapes = {"qkv": (3 * WIDTH, WIDTH), "out": (WIDTH, WIDTH), "fc": (4 * WIDTH, WIDTH), "proj": (WIDTH, 4 * WIDTH)}
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            tensors |= {f"blocks.{layer}.{name}.weight": draw(*shape), f"blocks.{layer}.{name}.bias": draw(shape[0])}
    return tensors


def random_tower(generator: torch.Generator) -> TextTower:
    def draw(*shape: int) -> Tensor:
        return 0.3 * torch.randn(*shape, generator=generator)

    tensors = {"positions": draw(20, WIDTH), "projection.weight": draw(JOINT, WIDTH)}
    return TextTower(TowerMeta(2, LAYERS, 20, "gelu", 1e-5), {**tensors, **random_blocks(generator)})


def random_tail() -> ImageTail:
    """A whole image tower behind the embedding of its patches; it has nothing to do with the pooled features."""
    generator = torch.Generator().manual_seed(12)
    projection = {"projection": 0.3 * torch.randn(WIDTH, JOINT, generator=generator)}
    return ImageTail(TailMeta(2, 0, LAYERS, "quick_gelu", 1e-5), {**projection, **random_blocks(generator)})


def random_words(names: tuple[str, ...], tokens: ClassTokens, seed: int) -> ClassTokens:
    """Tokens of attributes or objects: one for each word in a name, a full stop, and the end-of-text of `tokens`."""
    generator = torch.Generator().manual_seed(seed)
    counts, end = [len(name.split()) for name in names], tokens.embeddings[-1:]
    rows = [torch.cat([torch.randn(count + 1, WIDTH, generator=generator), end]) for count in counts]
    return ClassTokens(torch.cat(rows), tuple(map(len, rows)), tokens.sos, tuple(counts))


@pytest.fixture(scope="session")
def toy_model() -> FrozenModel:
    generator = torch.Generator().manual_seed(11)
    lengths = (2, 3, 2, 4, 2)
    tokens = ClassTokens(
        torch.randn(sum(lengths), WIDTH, generator=generator),
        lengths,
        torch.randn(WIDTH, generator=generator),
        tuple(n - 1 for n in lengths),
    )
    zero_shot = normalize(torch.randn(CLASSES, JOINT, generator=generator), dim=-1)
    parts = {"class": np.arange(CLASSES), "attribute": PAIRS[:, 0].copy(), "object": PAIRS[:, 1].copy()}
    words = {"attribute": ATTRIBUTES, "object": OBJECTS}
    return FrozenModel(
        random_tower(generator),
        tokens,
        10.0,
        zero_shot,
        Candidates(tuple("abcde"), parts, np.ones(CLASSES, dtype=bool), words),
        phrases={COMPOSITION: torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(13))},
        image=random_tail(),
        words={part: random_words(names, tokens, len(part)) for part, names in words.items()},
    )


def _features(labels: Indices, centres: np.ndarray, generator: np.random.Generator) -> CachedFeatures:
    """Clustered features in five views, each a little different."""

    def noisy(shape: tuple[int, ...]) -> np.ndarray:
        return generator.normal(0, 0.4, shape)

    pooled = centres[labels] + noisy((len(labels), JOINT))
    tokens = centres[labels][:, None] + noisy((len(labels), PATCHES, JOINT))
    views = (0, 1, 2, 3, 4)
    shifts = 0.01 * np.array(views)
    return CachedFeatures(
        views,
        {
            "image": (pooled + shifts[:, None, None]).astype(np.float32),
            "patches": (tokens + shifts[:, None, None, None]).astype(np.float32),
            "hidden.0": _tokens_before_the_first_block(pooled, len(views)),
        },
    )


def _tokens_before_the_first_block(pooled: np.ndarray, views: int) -> np.ndarray:
    """Tokens (views, n, 1 + M, W) that contain the pooled features, in a random basis."""
    generator = np.random.default_rng(14)
    basis = generator.normal(0, 1, (1 + PATCHES, JOINT, WIDTH))
    tokens = np.einsum("vnd,tdw->vntw", pooled + 0.01 * np.arange(views)[:, None, None], basis)
    return tokens.astype(np.float32)


@pytest.fixture(scope="session")
def world(toy_model: FrozenModel) -> Callable[..., World]:
    """Returns a maker of worlds: world(clients=3, seed=0, mechanism=..., aggregation=..., **training).

    Clients hold their tasks to an aggregation only where it is given here.
    """

    def make(
        clients: int = 3,
        seed: int = 0,
        mechanism: Mechanism | None = None,
        aggregation: Aggregation | None = None,
        **training: object,
    ) -> World:
        generator = np.random.default_rng(5)
        centres = generator.normal(0, 1, (CLASSES, JOINT))
        sizes = [20 + 7 * n for n in range(clients)]
        labels = generator.integers(0, CLASSES, sum(sizes))
        test_labels = generator.integers(0, CLASSES, 12 * clients)
        warehouse = FeatureStore(
            _features(labels, centres, generator), _features(test_labels, centres, generator), test_labels
        )
        section = Training(**{"rounds": 3, "batch_size": 8, "optimizer": Optimizer(learning_rate=0.1), **training})
        return World(
            toy_model,
            warehouse,
            labels,
            np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]),
            np.split(np.arange(12 * clients), clients),
            ClientRules(seed, section, 10, Classification(), aggregation, clients),
            mechanism or NoMechanism(),
        )

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files with the longest tests first, so that two workers end at about the same time.

    A long test says how long it takes, about: `@pytest.mark.slow(60)`, in seconds. Files stay whole, for what their
    tests share.
    """
    longest: dict[Path, float] = {}
    for item in items:
        seconds = max((float(mark.args[0]) for mark in item.iter_markers("slow") if mark.args), default=0.0)
        longest[item.path] = max(longest.get(item.path, 0.0), seconds)
    items.sort(key=lambda item: -longest[item.path])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def count_calls() -> Callable[[Callable[[], Any]], tuple[int, Any]]:
    """Returns count(function): how many calls of functions, built-in ones too, it makes, and what it returns.

    A measure of work that no other work on the machine changes.
    """

    def count(function: Callable[[], Any]) -> tuple[int, Any]:
        calls = 0

        def seen(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(seen)
        try:
            result = function()
        finally:
            sys.setprofile(before)
        return calls, result

    return count


@pytest.fixture
def own_log() -> Iterator[None]:
    """Puts fedsilo's logger back, which an actor that is made in this process sets up as if it had one of its own."""
    logger = logging.getLogger("fedsilo")
    before = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A feature cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FEDSILO_CACHE", str(folder))
    return folder


Toy = Callable[..., LabelledImages]


def _told(labels: Indices, split: int, number: int) -> Image.Image:
    """One pixel that tells its label, position and split, so that images can be followed wherever they go."""
    return Image.new("RGB", (1, 1), (int(labels[number]), number % 256, 2 * (number // 256) + split))


@pytest.fixture(scope="session")
def toy() -> Toy:
    """Returns a maker of images: `toy(train=100, test=40, classes=5, domains=2, seed=0)`; labels are drawn."""

    def make(train: int = 100, test: int = 40, classes: int = 5, domains: int = 2, seed: int = 0) -> LabelledImages:
        generator = np.random.default_rng(seed)

        def examples(size: int, split: int) -> Examples:
            labels = generator.integers(0, classes, size)
            return Examples(
                labels=labels,
                domains=np.arange(size, dtype=np.int64) % domains,
                fetch=partial(_told, labels, split),
                digests=tuple(f"{('train', 'test')[split]}{i:x}" for i in range(size)),
            )

        return LabelledImages(
            classes=tuple(f"class {i}" for i in range(classes)),
            domains=tuple(f"domain {i}" for i in range(domains)),
            template="a photo of a {}.",
            train=examples(train, 0),
            test=examples(test, 1),
            groups=tuple(label // 2 for label in range(classes)),
        )

    return make
