"""A small convolutional network on pixels, with batch norms (or group norms) and dropout."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from fedsilo.core.batch import PIXELS, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ModuleLearner


@dataclass(frozen=True)
class Network(ModuleLearner):
    """Two convolutions and a linear layer."""

    channels: int = key(4, "Channels of the first convolution.", within=">= 1")
    norm: str = key("batch", "Which norm.", "batch", "group")

    @property
    def reads(self) -> frozenset[str]:
        """Returns the pixels."""
        return frozenset({PIXELS})

    def module(self, sizes: ModelSizes) -> nn.Module:
        """Returns the network."""
        few, many = self.channels, 2 * self.channels
        return nn.Sequential(
            nn.Conv2d(3, few, 5, stride=4, padding=2),
            self._norm(few),
            nn.ReLU(),
            nn.Conv2d(few, many, 3, stride=2, padding=1),
            self._norm(many),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(4 * many, sizes.candidates),
        )

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Returns the scores (b, K) of pixels (b, 3, H, W)."""
        scores: Tensor = module(inputs[PIXELS])
        return scores

    def _norm(self, channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels) if self.norm == "batch" else nn.GroupNorm(2, channels)
