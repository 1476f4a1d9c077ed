"""The gradients of a batch, example by example, by the fastest way for its learner.

Dimensions: b examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.capabilities import ThroughText
from fedsilo.core.learner import Learner
from fedsilo.core.types import State
from fedsilo.training.loss import Loss
from fedsilo.training.per_example.chain_rule import compute_leaf_gradients
from fedsilo.training.per_example.context_gradients import compute_context_gradients, encode_texts
from fedsilo.training.per_example.grad_sample import differentiate_with_opacus, fits_opacus
from fedsilo.training.per_example.logit_gradients import compute_cotangents
from fedsilo.training.per_example.reference_loop import loop_over_examples
from fedsilo.training.per_example.vmap_gradients import vmap_over_examples

Way = Callable[[Loss, State, Batch], tuple[Tensor, dict[str, Tensor]]]
"""The losses (b,) and the gradients (b, *shape) by each leaf of a batch of at least one example."""

MEMORY_MB = 256
"""Memory of a backward through the tower for single examples, besides the one forward of all."""


@dataclass(frozen=True, eq=False, slots=True)
class ExampleGradients:
    """Gradients of single examples.

    Attributes:
        losses: (b,) loss of each example.
        gradients: (b, *shape) gradient of each example by each leaf.
    """

    losses: Tensor
    gradients: Mapping[str, Tensor]


def compute_example_gradients(loss: Loss, batch: Batch, tolerance: float) -> ExampleGradients:
    """Computes each example's loss and gradient.

    Args:
        loss: The loss at one point. Where it depends on parameters only through the text tower, the tower runs once for
            all examples, and backward for each example only through the candidates that matter to it.
        batch: The examples; there may be none.
        tolerance: Share of an example's cotangent that may be moved to the candidates that matter; 0: nothing is left
            out. See `per_example.selection`.

    Returns:
        The losses and the gradients.
    """
    learner = loss.learner
    if isinstance(learner, ThroughText) and _is_scores_alone(loss) and learner.common_prefix:
        return _through_text(loss, learner, batch, tolerance)
    if not len(batch):
        nothing = {name: leaf.new_zeros(0, *leaf.shape) for name, leaf in loss.leaves.items()}
        return ExampleGradients(next(iter(loss.leaves.values())).new_zeros(0), nothing)
    return ExampleGradients(*choose_way(loss, batch)(loss, loss.leaves, batch))


def choose_way(loss: Loss, batch: Batch) -> Way:
    """Chooses how the gradients of a learner that is not `ThroughText` are taken; the three ways agree.

    Opacus where the scores are the output of a module whose trained layers opacus knows; else `torch.func.vmap` where
    the learner says that it can run its loss; else one example after the other.

    Args:
        loss: The loss at one point.
        batch: At least one example.

    Returns:
        The function that takes the gradients.
    """
    if fits_opacus(loss, batch):
        return differentiate_with_opacus
    return vmap_over_examples if loss.learner.vectorises else loop_over_examples


def _is_scores_alone(loss: Loss) -> bool:
    """Whether the loss is the task's, of the scores: a learner may add a term of its own, a strategy a contrast."""
    return type(loss.learner).loss is Learner.loss and loss.contrast is None


def _through_text(loss: Loss, learner: ThroughText, batch: Batch, tolerance: float) -> ExampleGradients:
    model, task = loss.work.model, loss.work.task

    def contexts(leaves: State) -> Tensor:
        return learner.contexts(loss.read(leaves))

    def head(features: Tensor, single: Batch) -> Tensor:
        scores = learner.scores_of_texts(model, features, single.inputs)
        return task.losses(scores, single.targets, model.candidates)

    texts = encode_texts(model.tower, model.classes, contexts(loss.leaves))
    losses, asked = compute_cotangents(head, texts.features, batch)
    found = compute_context_gradients(texts, asked, tolerance=tolerance, memory_mb=MEMORY_MB)
    return ExampleGradients(losses, compute_leaf_gradients(contexts, loss.leaves, found.gradients))
