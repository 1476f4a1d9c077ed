"""VP-CMJL: prototypes of attributes, objects and pairs in two modalities, and their joint training.

Source: "Visual Proxy and Cross-Modal Joint Learning for Compositional Zero-Shot Learning", arXiv:2501.13859, and its
released code. Text prototypes come from learned words behind three learned contexts; visual prototypes are learned
vectors of attributes and objects, and a linear layer that composes them. On each side an image feature is compared with
pairs directly, and with attributes and objects after a decomposition: on the text side by cross attention to the
prototypes, whose weights are added to the cosines, on the visual side by a linear layer and a batch norm. The loss is
the cross-entropy of the six scores, and the divergence of the visual distribution over pairs from the textual one,
which is not detached.

Inference `probabilities` is the paper's, the sum over modalities of P(pair) + P(attribute) + P(object); `logits` is the
released code's, scores of pairs plus the two probabilities.

Reconstruction: either decomposition on either side, for the ablation that the paper reports and its code does not
have: `ca` adds the attention's weights to the cosines on the visual side as well. The weight of the visual side in
`probabilities` is 1.

Dimensions: b images, K pairs, A attributes, O objects, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, linear, normalize

from fedsilo.core.batch import CLASS, Batch, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.models.prompts.compositions import FAMILIES, PARTS, PairNumbers, encode_bare_words
from fedsilo.models.prompts.decomposition import CrossDecomposer, Disentangler
from fedsilo.training.adapted_learner import AdaptedLearner, FamilyLogits, mask_forbidden
from fedsilo.training.model_sizes import ModelSizes

BOTH, TEXT, VISUAL = "both", "text", "visual"
CA, MLP = "ca", "mlp"
PROBABILITIES, LOGITS = "probabilities", "logits"
ATTENTION, DISENTANGLERS, PROXIES = "attention", "disentanglers", "proxies"


@dataclass(frozen=True)
class VPCMJLLearner(AdaptedLearner):
    """Prototypes in two modalities, with decompositions of the image feature."""

    prototypes: str = key(BOTH, "Modalities that have prototypes.", BOTH, TEXT, VISUAL)
    text_decomposition: str = key(CA, "Decomposition beside text prototypes: cross attention, or MLP.", CA, MLP)
    visual_decomposition: str = key(MLP, "Decomposition beside visual prototypes: cross attention, or MLP.", CA, MLP)
    inference: str = key(
        PROBABILITIES, "Scores: sums of probabilities, or the released code's logits.", PROBABILITIES, LOGITS
    )
    text_weight: float = key(1.0, "Weight of the text side in the scores.", within=">= 0")
    visual_weight: float = key(1.0, "Weight of the visual side in the scores.", within=">= 0")
    visual_temperature: float = key(
        0.0, "Tau: temperature of the visual scores; 0: that of the text scores, the frozen model's.", within=">= 0"
    )
    cross_entropy_weight: float = key(1.0, "Alpha: weight of all cross-entropies in the loss.", within=">= 0")
    divergence_weight: float = key(1.0, "Beta: weight of the divergence of the two sides in the loss.", within=">= 0")
    pair_weight: float = key(1.0, "Gamma: weight of the cross-entropies of pairs.", within=">= 0")
    parts_weight: float = key(1.0, "Gamma: weight of the cross-entropies of attributes and objects.", within=">= 0")

    def problems(self) -> list[str]:
        """Lists impossible values of the fields: weights that leave no score, or no loss."""
        found = super().problems()
        sides = {TEXT: self.text_weight, VISUAL: self.visual_weight}
        if not any(weight for side, weight in sides.items() if side in self._sides()):
            found.append("text_weight: no side with prototypes has a weight in the scores. Give one above 0.")
        if not (self.cross_entropy_weight and (self.pair_weight or self.parts_weight)):
            found.append(
                "cross_entropy_weight: with these weights no cross-entropy is in the loss. Give this one, and one of "
                "pair_weight and parts_weight, above 0."
            )
        return found

    @property
    def families(self) -> tuple[str, ...]:
        """Returns the families of prompts; none where there are no text prototypes."""
        return FAMILIES if self.prototypes != VISUAL else ()

    @property
    def entangled(self) -> str:
        """Returns why examples meet, and the form in which they do not."""
        if not self.batch_norms or self._records:
            return super().entangled
        return (
            f"has batch norms ({', '.join(self.batch_norms)}), which mix the examples of a batch. Use "
            "visual_decomposition and text_decomposition: ca, or the unit 'client'"
        )

    @property
    def rows(self) -> Mapping[str, tuple[str, ...]]:
        """Returns the parameters with one row for each attribute or object: the table and the visual proxies."""
        proxies = {f"{PROXIES}.{part}": (part,) for part in PARTS}
        return {**super().rows, **{name: parts for name, parts in proxies.items() if name in self.names()}}

    def module(self, sizes: ModelSizes) -> nn.Module:
        """Builds the parts of the modalities in use.

        Args:
            sizes: Sizes of the frozen model.

        Returns:
            The module; the proxies are zeros.
        """
        module, decomposers = self.build_adapted(sizes), self._sides()
        for group, kind in ((ATTENTION, CrossDecomposer), (DISENTANGLERS, Disentangler)):
            names = [f"{side}_{part}" for side, used in decomposers.items() if used == group for part in PARTS]
            if names:
                setattr(module, group, nn.ModuleDict({name: kind(sizes.joint) for name in names}))
        if VISUAL in decomposers:
            counts = zip(PARTS, (sizes.attributes, sizes.objects), strict=True)
            module.proxies = nn.ParameterDict({part: torch.zeros(count, sizes.joint) for part, count in counts})
            module.composer = nn.Linear(2 * sizes.joint, sizes.joint)
        return module

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws the weights; visual proxies start from the features of the bare words.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            All parameters by name, the same for every client.
        """
        drawn = super().init(frozen, seed, client)
        if self.prototypes == TEXT:
            return drawn
        return {**drawn, **{f"{PROXIES}.{part}": encode_bare_words(frozen, part) for part in PARTS}}

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Scores images for all pairs.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            buffers: All buffers by name.

        Returns:
            (b, K): sums of probabilities, or logits with probabilities added.
        """
        pairs = PairNumbers.of(frozen)
        logits = self.compute_logits(module, inputs, frozen, pairs)
        weights = {TEXT: self.text_weight, VISUAL: self.visual_weight}
        if self.inference == PROBABILITIES:
            each = {side: mask_forbidden(found.pair, frozen).softmax(dim=1) for side, found in logits.items()}
            scores = [weights[side] * (each[side] + found.sum_parts(pairs)) for side, found in logits.items()]
            return sum(scores[1:], scores[0])
        mixed = [
            sum((weights[side] * getattr(found, family) for side, found in logits.items()), torch.zeros(()))
            for family in FAMILIES
        ]
        return mixed[0] + FamilyLogits(*mixed).sum_parts(pairs)

    def objective(self, module: nn.Module, batch: Batch, frozen: Frozen, pairs: PairNumbers) -> Tensor:
        """Adds the cross-entropies of all scores and the divergence of the two sides.

        Args:
            module: The module with its weights in place, in training mode.
            batch: The examples (b, ...).
            frozen: The frozen model.
            pairs: The pairs that are compared.

        Returns:
            The mean loss, shape ().
        """
        labels, logits = pairs.labels(batch.targets[CLASS]), self.compute_logits(module, batch.inputs, frozen, pairs)
        sides = [
            self.pair_weight * cross_entropy(found.pair, labels)
            + self.parts_weight
            * (
                cross_entropy(found.attribute, pairs.attribute[labels])
                + cross_entropy(found.object, pairs.object[labels])
            )
            for found in logits.values()
        ]
        loss = self.cross_entropy_weight * sum(sides[1:], sides[0])
        if len(logits) < 2:
            return loss
        visual, text = (logits[side].pair.log_softmax(dim=1) for side in (VISUAL, TEXT))
        return loss + self.divergence_weight * kl_div(visual, text, reduction="batchmean", log_target=True)

    def compute_logits(
        self, module: nn.Module, inputs: Columns, frozen: Frozen, pairs: PairNumbers
    ) -> dict[str, FamilyLogits]:
        """Computes the scores of the three families in each modality.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            pairs: K pairs.

        Returns:
            Scores by side, "text" and "visual".
        """
        image, _ = self.read_image(module, inputs, frozen)
        found = {}
        for side in self._sides():
            if side == TEXT:
                scale, (pair, *parts) = frozen.scale, self.encode_texts(module, frozen, pairs)
            else:
                scale, (pair, *parts) = self._visual_scale(frozen), self._compose(module, frozen, pairs)
            compared = [self._compare(module, f"{side}_{part}", image, p) for part, p in zip(PARTS, parts, strict=True)]
            found[side] = FamilyLogits(*(scale * each for each in (_cosines(image, pair), *compared)))
        return found

    def _compare(self, module: nn.Module, name: str, image: Tensor, prototypes: Tensor) -> Tensor:
        """Computes the cosines (b, n) of the decomposed image with prototypes, and adds the attention's weights."""
        if self._sides()[name.partition("_")[0]] == DISENTANGLERS:
            return _cosines(module.get_submodule(DISENTANGLERS).get_submodule(name)(image), prototypes)
        decomposed, weights = module.get_submodule(ATTENTION).get_submodule(name)(image, prototypes)
        return _cosines(decomposed, prototypes) + cast(Tensor, weights)

    def _compose(self, module: nn.Module, frozen: Frozen, pairs: PairNumbers) -> tuple[Tensor, ...]:
        """Composes the proxies of pairs; the layer is linear, so each attribute and object passes it once."""
        proxies, layer = cast(nn.ParameterDict, module.proxies), cast(nn.Linear, module.composer)
        attributes, objects = (cast(Tensor, proxies[part]) for part in PARTS)

        def compose() -> Tensor:
            weights = torch.split(layer.weight, attributes.shape[1], dim=1)
            halves = [linear(rows, weight) for rows, weight in zip((attributes, objects), weights, strict=True)]
            return halves[0][pairs.attribute] + halves[1][pairs.object] + layer.bias

        read = (attributes, objects, layer.weight, layer.bias, *pairs.key)
        return frozen.recall("visual pairs", read, compose), attributes, objects

    def _visual_scale(self, frozen: Frozen) -> float:
        return 1 / self.visual_temperature if self.visual_temperature else frozen.scale

    def _sides(self) -> dict[str, str]:
        """Returns the modalities in use, each with the group of modules that decomposes images beside it."""
        groups = {CA: ATTENTION, MLP: DISENTANGLERS}
        every = {TEXT: groups[self.text_decomposition], VISUAL: groups[self.visual_decomposition]}
        return {side: group for side, group in every.items() if self.prototypes in (BOTH, side)}


def _cosines(images: Tensor, prototypes: Tensor) -> Tensor:
    """Computes cosines (b, n); a feature of zeros, as a ReLU may give, has cosine 0."""
    return normalize(images, dim=-1, eps=1e-12) @ normalize(prototypes, dim=-1, eps=1e-12).T
