"""Troika: three families of prompts, disentangled image features, and texts that attend to the patches of each image.

Source: Huang, Gong, Feng, Zhang, Lv, Wang, "Troika: Multi-Path Cross-Modal Traction for Compositional Zero-Shot
Learning", CVPR 2024, arXiv:2303.15230, and its released code. The loss is CE of pairs + w (CE of attributes + CE of
objects); the score of a pair is its logit plus the product of the probabilities of attribute and object.

The released code applies the layer norm of patches again for each family in turn, so that objects see patches that were
normed three times: `patch_norm: again`, the default, is that; `once` is the paper's.

Dimensions: b images, K pairs, A attributes, O objects, M patches, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedsilo.core.batch import ATTRIBUTE, CLASS, OBJECT, PATCHES, Batch, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.models.prompts.compositions import FAMILIES, PAIR, PARTS, PairNumbers
from fedsilo.models.prompts.decomposition import Disentangler
from fedsilo.models.prompts.traction import Traction
from fedsilo.training.adapted_learner import AdaptedLearner, FamilyLogits
from fedsilo.training.model_sizes import ModelSizes

AGAIN, ONCE = "again", "once"


@dataclass(frozen=True)
class TroikaLearner(AdaptedLearner):
    """Three families of prompts with cross-modal traction."""

    traction_layers: int = key(3, "Layers of cross attention from texts to patches.", within=">= 1")
    traction_dropout: float = key(0.1, "Share of the numbers that these layers leave out.", within="in [0, 1)")
    parts_weight: float = key(1.0, "Weight of the cross-entropies of attributes and objects.", within=">= 0")
    patch_norm: str = key(
        AGAIN, "Layer norm of patches: again for each family, as the released code does, or once.", AGAIN, ONCE
    )

    @property
    def reads(self) -> frozenset[str]:
        """Returns the tokens before the first block of the image tower, or its features with the patches."""
        return super().reads if self.adapters else super().reads | {PATCHES}

    def module(self, sizes: ModelSizes) -> nn.Module:
        """Builds all parts.

        Args:
            sizes: Sizes of the frozen model.

        Returns:
            The module.
        """
        module = self.build_adapted(sizes)
        module.disentanglers = nn.ModuleDict({part: Disentangler(sizes.joint) for part in PARTS})
        module.traction = Traction(sizes.joint, self.traction_layers, self.traction_dropout)
        return module

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Scores images for all pairs.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            buffers: All buffers by name.

        Returns:
            (b, K): the logit of a pair plus P(attribute) P(object).
        """
        pairs = PairNumbers.of(frozen)
        logits = self.compute_logits(module, inputs, frozen, pairs)
        attribute, object = logits.attribute.softmax(dim=1), logits.object.softmax(dim=1)
        return logits.pair + attribute[:, pairs.attribute] * object[:, pairs.object]

    def objective(self, module: nn.Module, batch: Batch, frozen: Frozen, pairs: PairNumbers) -> Tensor:
        """Adds the cross-entropies of the three families.

        Args:
            module: The module with its weights in place, in training mode.
            batch: The examples (b, ...).
            frozen: The frozen model.
            pairs: The pairs that are compared.

        Returns:
            The mean loss, shape ().
        """
        labels, logits = pairs.labels(batch.targets[CLASS]), self.compute_logits(module, batch.inputs, frozen, pairs)
        parts = cross_entropy(logits.attribute, pairs.attribute[labels])
        parts = parts + cross_entropy(logits.object, pairs.object[labels])
        return cross_entropy(logits.pair, labels) + self.parts_weight * parts

    def compute_logits(self, module: nn.Module, inputs: Columns, frozen: Frozen, pairs: PairNumbers) -> FamilyLogits:
        """Computes the scores of the three families.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            pairs: K pairs.

        Returns:
            The scores.
        """
        image, patches = self.read_image(module, inputs, frozen)
        tokens, traction = torch.cat([image.unsqueeze(1), patches], dim=1), cast(Traction, module.traction)
        disentanglers = cast(nn.ModuleDict, module.disentanglers)
        branches = {PAIR: image, **{part: disentanglers[part](image) for part in (ATTRIBUTE, OBJECT)}}
        found: list[Tensor] = []
        for family, texts in zip(FAMILIES, self.encode_texts(module, frozen, pairs), strict=True):
            if not found or self.patch_norm == AGAIN:
                tokens = traction.norm(tokens)
            found.append(frozen.scale * traction.score(branches[family], texts, tokens))
        return FamilyLogits(*found)
