"""DFSP without fusion: a learned vector for each attribute and each object, and a learned context.

Source: Lu, Liu, Guo, Guo, "Decomposed Soft Prompt Guided Fusion Enhancing for Compositional Zero-Shot Learning", CVPR
2023, arXiv:2211.10681, and its released code with fusion off (`OnlySPM`). The score of an attribute is the mean over
the pairs in the loss that have it, and so for objects; with fusion off the fused scores are the scores themselves, so
the loss is (1 + 0.1) CE + 0.01 (CE of attributes + CE of objects).

Where the released code and this differ: there an attribute or object that no pair in the loss has gives a mean of
nothing; here it is left out.

Dimensions: b images, K pairs, A attributes, O objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

from fedsilo.core.batch import ATTRIBUTE, CLASS, IMAGE, OBJECT, Batch, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.models.prompts.compositions import PAIR, PairNumbers, encode_pairs
from fedsilo.training.composition_learner import CompositionLearner
from fedsilo.training.model_sizes import ModelSizes


@dataclass(frozen=True)
class DFSPLearner(CompositionLearner):
    """A table of words and a context."""

    fused_weight: float = key(
        0.1, "Weight of the cross-entropy of the fused scores, which equal the scores.", within=">= 0"
    )
    parts_weight: float = key(0.01, "Weight of the cross-entropies of attributes and objects.", within=">= 0")

    @property
    def families(self) -> tuple[str, ...]:
        """Returns the family of pairs."""
        return (PAIR,)

    def module(self, sizes: ModelSizes) -> nn.Module:
        """Builds the table and the context.

        Args:
            sizes: Sizes of the frozen model.

        Returns:
            The module with the table (A + O, W) and the context (L, W).
        """
        return self.build_words(sizes)

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Scores images under the prompts of all pairs.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            buffers: All buffers by name.

        Returns:
            Scaled cosines (b, K).
        """
        return self._score(module, inputs, frozen, PairNumbers.of(frozen))

    def objective(self, module: nn.Module, batch: Batch, frozen: Frozen, pairs: PairNumbers) -> Tensor:
        """Adds the cross-entropies of pairs, attributes and objects.

        Args:
            module: The module with its weights in place, in training mode.
            batch: The examples (b, ...).
            frozen: The frozen model.
            pairs: The pairs that are compared.

        Returns:
            The mean loss, shape ().
        """
        scores, labels = self._score(module, batch.inputs, frozen, pairs), pairs.labels(batch.targets[CLASS])
        numbers = ((pairs.attribute, len(frozen.words[ATTRIBUTE])), (pairs.object, len(frozen.words[OBJECT])))
        parts = [cross_entropy(average_scores(scores, part, count), part[labels]) for part, count in numbers]
        return (1 + self.fused_weight) * cross_entropy(scores, labels) + self.parts_weight * (parts[0] + parts[1])

    def _score(self, module: nn.Module, inputs: Columns, frozen: Frozen, pairs: PairNumbers) -> Tensor:
        table, context = self.soften(module), cast(Tensor, module.get_submodule("contexts").pair)
        texts = frozen.recall(
            "pairs",
            (context, table, *pairs.key),
            lambda: normalize(encode_pairs(frozen, context, table, pairs), dim=-1),
        )
        return frozen.score(inputs[IMAGE], texts)


def average_scores(scores: Tensor, parts: Tensor, count: int) -> Tensor:
    """Averages scores of pairs over those that have an attribute, or an object.

    Args:
        scores: (b, K).
        parts: (K,) int64 attribute or object of each pair.
        count: Attributes or objects in all.

    Returns:
        (b, count); -inf where no pair has it.
    """
    members = one_hot(parts, count).to(scores.dtype)
    sizes = members.sum(dim=0)
    means = scores @ (members / sizes.clamp(min=1))
    return means.masked_fill(sizes == 0, -torch.inf)
