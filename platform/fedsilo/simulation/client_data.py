"""What one client holds, and what the scenario says to every client."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Aggregation, FeatureSource, Indices, Method, Task
from fedsilo.core.training_settings import Training


@dataclass(frozen=True, slots=True)
class Novelty:
    """Classes that no client trains on, and the test images of them.

    Attributes:
        tokens: Token embeddings of their names, as arrays by name.
        zero_shot: (k, D) normalised features of their hand-written prompts.
        test: Features of their test images.
        labels: (m,) their classes, from 0 among these.
    """

    tokens: Mapping[str, NDArray[Any]]
    zero_shot: NDArray[np.float32]
    test: FeatureSource
    labels: Indices

    def only(self, columns: Collection[str]) -> Novelty:
        """Drops columns that are not needed.

        Args:
            columns: Names of the columns to keep.

        Returns:
            The same images with these columns only.
        """
        return replace(self, test=self.test.only(columns))


@dataclass(frozen=True, slots=True)
class ValidationImages:
    """The images by which a model is selected; all clients are measured on all of them.

    Attributes:
        images: Features of the images.
        labels: (n,) their classes.
    """

    images: FeatureSource
    labels: Indices

    def only(self, columns: Collection[str]) -> ValidationImages:
        """Drops columns that are not needed.

        Args:
            columns: Names of the columns to keep.

        Returns:
            The same images with these columns only.
        """
        return replace(self, images=self.images.only(columns))


@dataclass(frozen=True, slots=True)
class ClientData:
    """What one client holds.

    Attributes:
        number: The client's number, from 0.
        train: Features of its training images.
        train_labels: (n,) their classes.
        test: Features of all test images of the federation; own ones are found by `own_test`.
        test_labels: (N,) their classes, as those who hold them have it.
        own_test: (m,) positions of the client's own test images.
        own_labels: (m,) their classes, as the client has it.
        novelty: Classes that no client trains on, None where there are none.
        validation: Images by which a model is selected, None where there are none.
    """

    number: int
    train: FeatureSource
    train_labels: Indices
    test: FeatureSource
    test_labels: Indices
    own_test: Indices
    own_labels: Indices
    novelty: Novelty | None = None
    validation: ValidationImages | None = None

    def only(self, columns: Collection[str]) -> ClientData:
        """Drops columns that are not needed, so that nothing is computed that no learner reads.

        Args:
            columns: Names of the columns to keep.

        Returns:
            The same data with these columns only.
        """
        novelty = None if self.novelty is None else self.novelty.only(columns)
        return replace(
            self,
            train=self.train.only(columns),
            test=self.test.only(columns),
            novelty=novelty,
            validation=None if self.validation is None else self.validation.only(columns),
        )


@dataclass(frozen=True, slots=True)
class ClientRules:
    """What the scenario says to every client.

    Attributes:
        seed: The scenario's seed.
        training: Its section.
        test_batch: Images per batch in evaluation.
        task: What is predicted.
        aggregation: How updates are added up, which tasks are held to; None: they are not.
        clients: Clients in the federation.
        own_training: References that have a training of their own, with it.
        never_train: Numbers of the clients that are only measured.
    """

    seed: int
    training: Training
    test_batch: int
    task: Task
    aggregation: Aggregation | None = None
    clients: int = 0
    own_training: tuple[tuple[Method, Training], ...] = ()
    never_train: frozenset[int] = frozenset()

    def training_of(self, method: Method) -> Training:
        """Finds how a method of the run is trained.

        Args:
            method: The scenario's method or a reference.

        Returns:
            The reference's own section `training`, or the scenario's.
        """
        return next((own for reference, own in self.own_training if reference == method), self.training)
