"""Local CoOp: every client learns a context alone; nothing is shared, nothing is sent.

Source: Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022, arXiv:2109.01134, run per client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.contracts import Predictor, State
from fedsilo.descent import Loss
from fedsilo.prompting import DescentMethod
from fedsilo.prompts.frozen import FrozenModel
from fedsilo.training import Batch, LocalWork


@dataclass(frozen=True)
class Local(DescentMethod):
    """One context per client, trained on its own images for as many epochs as the federated methods get."""

    learns = ("context",)

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns nothing."""
        return {}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns the context, the same start for every client as in PromptFL, so that only training differs."""
        return {"context": self.start(model, seed)}

    def loss(self, work: LocalWork) -> Loss:
        """Returns the cross-entropy over all classes."""

        def loss(leaves: Mapping[str, Tensor], batch: Batch) -> Tensor:
            text = self.text(work.model, leaves["context"])
            return cross_entropy(work.model.score(batch.pooled, text), batch.labels)

        return loss

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scaled cosine of each image with each class under the client's own context."""
        text = self.text(model, private["context"])
        return lambda pooled, tokens: model.score(pooled, text)
