"""The gradients of a batch, example by example, by the shortest way that there is for its learner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.learner import ThroughText
from fedsilo.core.types import State
from fedsilo.training.loss import Loss
from fedsilo.training.module_learner import ModuleLearner
from fedsilo.training.per_example.batched import batched_gradients
from fedsilo.training.per_example.contexts import context_gradients, encode_texts
from fedsilo.training.per_example.heads import cotangents
from fedsilo.training.per_example.leaves import leaf_gradients
from fedsilo.training.per_example.loop import loop_gradients

MEMORY_MB = 256
"""What a backward through the tower may hold for single examples at once, beside the one forward of all."""


@dataclass(frozen=True, eq=False, slots=True)
class ExampleGradients:
    """Gradients of single examples.

    Attributes:
        losses: (b,) loss of each example.
        gradients: (b, *shape) gradient of each example by each leaf.
    """

    losses: Tensor
    gradients: Mapping[str, Tensor]


def example_gradients(loss: Loss, batch: Batch, tolerance: float) -> ExampleGradients:
    """Returns each example's loss and gradient; a batch may be empty.

    Args:
        loss: The loss at one point. Where it passes through the text tower and nothing else, the tower runs once for
            all examples, and back for each only behind the candidates that matter to it.
        batch: The examples.
        tolerance: Share of what an example asks of the text features that may be moved to the candidates that matter;
            0: nothing is left out. See `per_example.selection`.
    """
    if isinstance(loss.learner, ThroughText) and loss.learner.common_prefix:
        return _through_text(loss, loss.learner, batch, tolerance)
    learner = loss.learner
    vectorises = isinstance(learner, ModuleLearner) and learner.vectorises
    gradients = batched_gradients if vectorises else loop_gradients
    return ExampleGradients(*gradients(loss, loss.leaves, batch))


def _through_text(loss: Loss, learner: ThroughText, batch: Batch, tolerance: float) -> ExampleGradients:
    model, task = loss.work.model, loss.work.task

    def contexts(leaves: State) -> Tensor:
        return learner.contexts(loss.read(leaves))

    def head(features: Tensor, single: Batch) -> Tensor:
        scores = learner.scores_of_texts(model, features, single.inputs)
        return task.losses(scores, single.targets, model.candidates)

    texts = encode_texts(model.tower, model.classes, contexts(loss.leaves))
    losses, asked = cotangents(head, texts.features, batch)
    found = context_gradients(texts, asked, tolerance=tolerance, memory_mb=MEMORY_MB)
    return ExampleGradients(losses, leaf_gradients(contexts, loss.leaves, found.gradients))
