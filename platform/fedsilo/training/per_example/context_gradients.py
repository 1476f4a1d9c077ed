"""Each example's gradient by the contexts, through the text tower: one forward for all, a short backward for each.

`compute_context_gradients` runs only the classes backward that matter to an example (`per_example.selection`), through
the one forward that `encode_texts` kept. `compute_dense_gradients` is the plain way, all classes through torch's own
batched backward; tests and benchmarks compare the two.

Dimensions: B examples, N prompts, L context tokens, W text width, K classes, D joint width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.recorded_forward import Recording, record
from fedsilo.models.clip.text_tower import TextTower, encode_prompts
from fedsilo.models.clip.tower_backward import estimate_row_bytes, pull_back
from fedsilo.training.per_example.selection import Selection, select

MEGABYTE = 1 << 20


@dataclass(frozen=True, eq=False, slots=True)
class EncodedTexts:
    """Class features, with the forward that gave them.

    Attributes:
        features: (N, K, D), normalised: `FrozenModel.text_features` of the contexts up to rounding, without gradient.
        recordings: The forward of each prompt.
    """

    features: Tensor
    recordings: tuple[Recording, ...]


@dataclass(frozen=True, eq=False, slots=True)
class ContextGradients:
    """Gradients of single examples by the contexts, and measures of their precision.

    Attributes:
        gradients: (B, N, L, W).
        kept: (B, N) int64, classes that ran backward.
        moved: (B, N) share of the cotangent's size that moved to other classes, in [0, tolerance];
            `per_example.selection` says what that means for the gradient.
    """

    gradients: Tensor
    kept: Tensor
    moved: Tensor


def encode_texts(tower: TextTower, classes: ClassTokens, contexts: Tensor) -> EncodedTexts:
    """Encodes contexts, and keeps what backward passes need.

    Args:
        tower: The frozen text tower.
        classes: Tokens of the class names, on the tower's device.
        contexts: (N, L, W).

    Returns:
        The class features and the forward of each prompt.

    Raises:
        BackboneError: A context has another width than the tower, or is too long for the longest class name.
    """
    recordings = tuple(record(tower, classes, context) for context in contexts.detach())
    return EncodedTexts(normalize(torch.stack([each.features for each in recordings]), dim=-1), recordings)


@torch.no_grad()
def compute_context_gradients(
    texts: EncodedTexts, cotangents: Tensor, *, tolerance: float, memory_mb: int
) -> ContextGradients:
    """Computes the gradient of each example by each context.

    An example's result does not depend on the other examples of its batch: the selection of classes not at all, the
    numbers only by rounding, since matrix products of another height round differently.

    Args:
        texts: The forward.
        cotangents: (B, N, K, D) gradient of each example's loss by `texts.features`.
        tolerance: As in `per_example.selection.select`, for each example and prompt by itself; 0 is exact.
        memory_mb: Memory in MB of the examples that run backward together, besides the forward and the result; one
            example always runs.

    Returns:
        The gradients, with the number of classes kept and the share moved.
    """
    found = [
        _one_prompt(recording, cotangents[:, number], tolerance, memory_mb)
        for number, recording in enumerate(texts.recordings)
    ]
    return ContextGradients(
        torch.stack([gradients for gradients, _ in found], dim=1),
        torch.stack([selection.kept.sum(dim=1) for _, selection in found], dim=1),
        torch.stack([selection.moved for _, selection in found], dim=1),
    )


def compute_dense_gradients(
    tower: TextTower, classes: ClassTokens, contexts: Tensor, cotangents: Tensor, *, memory_mb: int
) -> Tensor:
    """Computes the same gradients by torch's batched backward, all classes of as many examples as fit.

    Args:
        tower: The frozen text tower.
        classes: Tokens of the class names, on the tower's device.
        contexts: (N, L, W).
        cotangents: (B, N, K, D) gradient of each example's loss by the normalised class features.
        memory_mb: Memory in MB of the examples that run backward together, besides the forward and the result.

    Returns:
        (B, N, L, W).
    """
    contexts = contexts.detach().requires_grad_()
    features = normalize(encode_prompts(tower, classes, contexts), dim=-1)
    rows = len(contexts) * (1 + contexts.shape[1] + sum(classes.lengths))
    together = max(memory_mb * MEGABYTE // (rows * estimate_row_bytes(tower)), 1)
    found = [
        torch.autograd.grad(features, contexts, part, retain_graph=True, is_grads_batched=True)[0]
        for part in torch.split(cotangents, together)
        if len(part)
    ]
    return torch.cat(found) if found else contexts.new_zeros(0, *contexts.shape)


def _one_prompt(recording: Recording, cotangents: Tensor, tolerance: float, memory_mb: int) -> tuple[Tensor, Selection]:
    selection = select(cotangents, tolerance)
    gradients = cotangents.new_zeros(len(cotangents), recording.places.prefix - 1, recording.tower.width)
    for examples in _chunks(recording, selection, memory_mb):
        pairs, rows = selection.part(examples, cotangents)
        if len(rows):
            gradients[examples] = pull_back(recording, pairs, _denormalise(recording.features[pairs.classes], rows))
    return gradients, selection


def _chunks(recording: Recording, selection: Selection, memory_mb: int) -> Iterator[slice]:
    """Yields examples, in order, that fit into memory together."""
    longest, context = recording.places.present.shape[1], recording.places.prefix - 1
    room = memory_mb * MEGABYTE // estimate_row_bytes(recording.tower)
    first, taken = 0, 0
    counts = selection.kept.sum(dim=1).tolist()
    for number, pairs in enumerate(counts):
        rows = context + longest * pairs
        if taken and taken + rows > room:
            yield slice(first, number)
            first, taken = number, 0
        taken += rows
    if counts:
        yield slice(first, len(counts))


def _denormalise(features: Tensor, cotangents: Tensor) -> Tensor:
    """Returns cotangents (n, D) of features from those of the same features divided by their norms."""
    norms = torch.linalg.vector_norm(features, dim=-1, keepdim=True)
    unit = features / norms
    along = (unit * cotangents).sum(-1, keepdim=True)
    return torch.addcmul(cotangents, unit, along, value=-1).div_(norms)
