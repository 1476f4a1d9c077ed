"""The toy federation's frozen model in fp64, with batches and contexts for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedsilo.core import Batch
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.text_tower import TextTower
from fedsilo.models.prompts.frozen_model import FrozenModel


@pytest.fixture(scope="session")
def model(toy_model: FrozenModel) -> FrozenModel:
    """Returns the toy model in fp64: five classes of 2 to 4 tokens, width 16, joint width 8, two layers."""
    tower = {name: tensor.double() for name, tensor in toy_model.tower.tensors().items()}
    classes = toy_model.classes
    return replace(
        toy_model,
        tower=TextTower(toy_model.tower.meta, tower),
        classes=ClassTokens(classes.embeddings.double(), classes.lengths, classes.sos.double(), classes.names),
        zero_shot=toy_model.zero_shot.double(),
    )


@pytest.fixture
def batch() -> Batch:
    """Returns six images with four patches each."""
    generator = torch.Generator().manual_seed(21)
    pooled = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    tokens = torch.randn(6, 4, 8, generator=generator, dtype=torch.float64)
    return Batch({"image": pooled, "patches": tokens}, {"class": torch.tensor([0, 3, 1, 4, 2, 2])})


@pytest.fixture
def contexts() -> Tensor:
    """Returns two contexts of three vectors."""
    return 0.5 * torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(22), dtype=torch.float64)
