"""The frozen side of a client: text tower, class names and temperature; no image tower, no tokenizer, no open_clip.

Dimensions: K classes, L context tokens, W text width, D joint width, N prompts, B images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.backbone.text_tower import TextTower, TowerMeta, encode_prompts
from fedsilo.backbone.tokens import ClassTokens
from fedsilo.prompts.latest import Latest
from fedsilo.prompts.sequences import encode_apart, encode_names
from fedsilo.state import borrow


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """What every client shares and nobody changes.

    Attributes:
        tower: The text tower.
        classes: Token embeddings of the class names.
        scale: exp(logit_scale), the inverse temperature.
        zero_shot: (K, D) normalised features of the hand-written prompt of each class.
        device: Where training runs.
        phrases: (n, W) token embeddings of texts that the run's methods ask for.

    Without gradients it gives the features of the contexts of its last call again, where they are asked for again:
    clients that share the model are often measured with the same prompt.
    """

    tower: TextTower
    classes: ClassTokens
    scale: float
    zero_shot: Tensor
    device: str = "cpu"
    phrases: Mapping[str, Tensor] = field(default_factory=dict)
    _latest: Latest = field(default_factory=Latest, init=False, repr=False, compare=False)
    _names: list[Tensor] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def width(self) -> int:
        """Returns W, the length of one context vector."""
        return int(self.classes.sos.shape[-1])

    def text_features(self, context: Tensor) -> Tensor:
        """Returns normalised class features (K, D) for a context (L, W), or (N, K, D) for (N, L, W)."""
        return self._latest.of(
            "end", context, lambda: normalize(encode_prompts(self.tower, self.classes, context), dim=-1)
        )

    def features_apart(self, contexts: Tensor, position: str) -> Tensor:
        """Returns normalised class features (N, K, D) for contexts (N, K, L, W) of single classes, name anywhere."""
        return self._latest.of(
            f"apart, {position}",
            contexts,
            lambda: normalize(encode_apart(self.tower, self.classes, contexts, position), dim=-1),
        )

    def name_features(self) -> Tensor:
        """Returns normalised features (K, D) of the bare class names, not to be written; they are computed once."""
        if not self._names:
            with torch.no_grad():
                self._names.append(normalize(encode_names(self.tower, self.classes), dim=-1))
        return self._names[0]

    def score(self, pooled: Tensor, text: Tensor) -> Tensor:
        """Returns (B, K) logits: scaled cosine of images (B, D) and normalised class features (K, D)."""
        return self.scale * normalize(pooled, dim=-1) @ text.T

    def renamed(self, tokens: Mapping[str, NDArray[Any]], zero_shot: NDArray[np.float32]) -> FrozenModel:
        """Returns the model with other classes.

        Args:
            tokens: Token embeddings of their names, as `ClassTokens.tensors` in arrays.
            zero_shot: (k, D) normalised features of their hand-written prompts.
        """
        classes = ClassTokens.from_tensors({name: borrow(array).to(self.device) for name, array in tokens.items()})
        return replace(self, classes=classes, zero_shot=borrow(zero_shot).to(self.device))

    def pack(self) -> PackedModel:
        """Returns the model as plain CPU arrays, which Ray shares between processes without a copy."""
        tensors = {f"tower.{k}": v for k, v in self.tower.tensors().items()}
        tensors |= {f"classes.{k}": v for k, v in self.classes.tensors().items()}
        tensors |= {f"phrases.{k}": v for k, v in self.phrases.items()}
        tensors["zero_shot"] = self.zero_shot
        arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
        return PackedModel(self.tower.meta, arrays, self.scale)


@dataclass(frozen=True, slots=True)
class PackedModel:
    """A `FrozenModel` on its way to another process; where it will compute is for that process to know.

    Attributes:
        meta: Shape of the tower.
        arrays: All tensors by name.
        scale: exp(logit_scale).
    """

    meta: TowerMeta
    arrays: Mapping[str, NDArray[Any]]
    scale: float

    def unpack(self, device: str = "cpu") -> FrozenModel:
        """Returns the model on a device; on the CPU it uses the arrays' own memory."""
        tensors = {name: borrow(array).to(device) for name, array in self.arrays.items()}
        tower = TextTower.from_tensors(self.meta, _below("tower.", tensors))
        classes = ClassTokens.from_tensors(_below("classes.", tensors))
        phrases = _below("phrases.", tensors)
        return FrozenModel(tower, classes, self.scale, tensors["zero_shot"], device, phrases)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def random_context(length: int, width: int, generator: torch.Generator) -> Tensor:
    """Returns (L, W) context vectors from N(0, 0.02^2), the start of CoOp and all that follow it."""
    return 0.02 * torch.randn(length, width, generator=generator)
