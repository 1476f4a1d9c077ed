"""CSP: a learned vector for each attribute and each object behind a written context.

Source: Nayak, Yu, Bach, "Learning to Compose Soft Prompts for Compositional Zero-Shot Learning", ICLR 2023,
arXiv:2204.03574, and its released code. A pair is scored by the scaled cosine of the image and `[SOS] a photo of
attribute object [EOT]`; the loss is the cross-entropy over the pairs that are trained on.

Dimensions: b images, K pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from fedsilo.core.batch import CLASS, IMAGE, Batch, Columns
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.models.prompts.compositions import PairNumbers, encode_pairs
from fedsilo.training.composition_learner import CompositionLearner
from fedsilo.training.model_sizes import ModelSizes


@dataclass(frozen=True)
class CSPLearner(CompositionLearner):
    """A table of words; the context is written."""

    def module(self, sizes: ModelSizes) -> nn.Module:
        """Builds the table.

        Args:
            sizes: Sizes of the frozen model.

        Returns:
            The module with the table (A + O, W).
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
        """Computes the cross-entropy over the pairs.

        Args:
            module: The module with its weights in place, in training mode.
            batch: The examples (b, ...).
            frozen: The frozen model.
            pairs: The pairs that are compared.

        Returns:
            The mean loss, shape ().
        """
        scores = self._score(module, batch.inputs, frozen, pairs)
        return cross_entropy(scores, pairs.labels(batch.targets[CLASS]))

    def _score(self, module: nn.Module, inputs: Columns, frozen: Frozen, pairs: PairNumbers) -> Tensor:
        table, context = self.soften(module), frozen.phrases[self.context_words]
        texts = frozen.recall(
            "pairs",
            (context, table, *pairs.key),
            lambda: normalize(encode_pairs(frozen, context, table, pairs), dim=-1),
        )
        return frozen.score(inputs[IMAGE], texts)
