"""The base of learners of compositions with three families of prompts, and with adapters in the image tower.

Without adapters they read the features of the frozen tower, which are cached.

Dimensions: b images, K pairs, A attributes, O objects, M patches, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from fedsilo.core.batch import IMAGE, PATCHES, Columns, hidden
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.models.clip.image_adapters import ImageAdapters
from fedsilo.models.prompts.compositions import FAMILIES, PARTS, PairNumbers, encode_families
from fedsilo.training.composition_learner import CompositionLearner
from fedsilo.training.model_sizes import ModelSizes


@dataclass(frozen=True, eq=False, slots=True)
class FamilyLogits:
    """Scores of the three families.

    Attributes:
        pair: (b, K).
        attribute: (b, A).
        object: (b, O).
    """

    pair: Tensor
    attribute: Tensor
    object: Tensor

    def sum_parts(self, pairs: PairNumbers) -> Tensor:
        """Adds the probabilities of the attribute and of the object of each pair.

        Args:
            pairs: K pairs.

        Returns:
            (b, K), in [0, 2].
        """
        attribute, object = self.attribute.softmax(dim=1), self.object.softmax(dim=1)
        return attribute[:, pairs.attribute] + object[:, pairs.object]


@dataclass(frozen=True)
class AdaptedLearner(CompositionLearner):
    """A table of words with three contexts, and an image tower with adapters."""

    adapters: bool = key(
        True, "Adapters in every block of the image tower; without them clients read cached features, which is fast."
    )
    adapter_width: int = key(64, "Numbers inside an adapter.", within=">= 1")
    adapter_dropout: float = key(0.1, "Share of these numbers that a step leaves out.", within="in [0, 1)")

    @property
    def families(self) -> tuple[str, ...]:
        """Returns the families of prompts: pairs, attributes and objects."""
        return FAMILIES

    @property
    def reads(self) -> frozenset[str]:
        """Returns the tokens before the first block of the image tower, or its features where nothing is adapted."""
        return frozenset({hidden(0)}) if self.adapters else frozenset({IMAGE})

    @property
    def needs_image_blocks(self) -> int | None:
        """Returns block 0: clients run the whole image tower, where it is adapted."""
        return 0 if self.adapters else None

    def build_adapted(self, sizes: ModelSizes) -> nn.Module:
        """Builds what learners of this kind have: the table, the contexts and the adapters, each where it is trained.

        Args:
            sizes: Sizes of the frozen model.

        Returns:
            The module, to which the learner adds its own parts.
        """
        module = self.build_words(sizes) if self.families else nn.Module()
        if self.adapters:
            module.adapters = ImageAdapters(
                sizes.image_width, sizes.image_blocks, self.adapter_width, self.adapter_dropout
            )
        return module

    def read_image(self, module: nn.Module, inputs: Columns, frozen: Frozen) -> tuple[Tensor, Tensor]:
        """Computes image features.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.

        Returns:
            Pooled features (b, D) and patch tokens (b, M, D), not normalised; no patch tokens (b, 0, D) where the
            learner does not read this column.
        """
        if not self.adapters:
            pooled = inputs[IMAGE]
            return pooled, inputs.get(PATCHES, pooled.new_zeros(len(pooled), 0, pooled.shape[1]))
        rows = frozen.image.run(inputs[hidden(0)], 0, cast(ImageAdapters, module.adapters).beside())
        return cast("tuple[Tensor, Tensor]", frozen.image.read(rows))

    def encode_texts(self, module: nn.Module, frozen: Frozen, pairs: PairNumbers) -> tuple[Tensor, ...]:
        """Encodes the prompts of the three families; in evaluation once, whatever the number of batches.

        Args:
            module: The module with its weights in place.
            frozen: The frozen model.
            pairs: K pairs.

        Returns:
            Features (K, D), (A, D) and (O, D), not normalised.
        """
        table, learned = self.soften(module), cast(nn.ParameterDict, module.contexts)
        contexts = {family: cast(Tensor, learned[family]) for family in FAMILIES}
        features = frozen.recall(
            "families", (table, *contexts.values(), *pairs.key), lambda: encode_families(frozen, contexts, table, pairs)
        )
        return torch.split(features, [len(pairs), *(len(frozen.words[part]) for part in PARTS)])


def mask_forbidden(scores: Tensor, frozen: Frozen) -> Tensor:
    """Sets the scores of candidates to -inf that may be predicted neither for test images nor for validation images.

    Args:
        scores: (b, K).
        frozen: The frozen model.

    Returns:
        (b, K).
    """
    allowed, validation = frozen.candidates.allowed, frozen.candidates.allowed_in_validation
    if allowed is None:
        return scores
    either = torch.from_numpy(allowed if validation is None else allowed | validation)
    return scores.masked_fill(~either.to(scores.device), -torch.inf)
