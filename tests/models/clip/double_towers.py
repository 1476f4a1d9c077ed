"""Small towers in fp64, with classes and a context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.conversion import extract_text_tower
from fedsilo.models.clip.recorded_forward import record
from fedsilo.models.clip.text_tower import TextTower, encode_prompts
from fedsilo.models.clip.tower_backward import ExamplePairs, pull_back

LENGTHS = (3, 1, 5, 2, 3)
SHAPE = {"vocab_size": 50, "width": 32, "heads": 4, "layers": 2}


@dataclass(frozen=True, eq=False)
class Case:
    """A tower in fp64, classes and a context."""

    tower: TextTower
    classes: ClassTokens
    context: Tensor

    @classmethod
    def make(cls, model: Any, lengths: tuple[int, ...] = LENGTHS, length: int = 4) -> Case:
        tower, generator = extract_text_tower(model), torch.Generator().manual_seed(3)
        tower = TextTower(tower.meta, {name: tensor.double() for name, tensor in tower.tensors().items()})

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        classes = ClassTokens(draw(sum(lengths), tower.width), lengths, draw(tower.width))
        return cls(tower, classes, draw(length, tower.width).requires_grad_())

    def cotangents(self, examples: int) -> Tensor:
        """(B, K, D)."""
        width = encode_prompts(self.tower, self.classes, self.context).shape[1]
        generator = torch.Generator().manual_seed(4)
        return torch.randn(examples, len(self.classes), width, generator=generator, dtype=torch.float64)

    def expected(self, cotangents: Tensor) -> Tensor:
        """Each example by autograd through `encode_prompts`."""
        features = encode_prompts(self.tower, self.classes, self.context)
        found = [torch.autograd.grad(features, self.context, each, retain_graph=True)[0] for each in cotangents]
        return torch.stack(found)

    def gradients(self, cotangents: Tensor, kept: Tensor) -> Tensor:
        owner, classes = kept.nonzero(as_tuple=True)
        recording = record(self.tower, self.classes, self.context)
        return pull_back(recording, ExamplePairs(classes, kept.sum(dim=1).tolist()), cotangents[owner, classes])
