"""PromptFL: clients learn one shared context in front of the class names; the server averages it (FedAvg).

Source: Guo et al., "PromptFL: Let Federated Participants Cooperatively Learn Prompts Instead of Models", IEEE TMC
2023, arXiv:2208.11625; the prompt is CoOp's, arXiv:2109.01134. Averaging weights clients by training examples.
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
class PromptFL(DescentMethod):
    """One context for all clients, averaged every round."""

    uploads = ("context",)

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns the context, N(0, 0.02^2)."""
        return {"context": self.start(model, seed)}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns nothing: clients keep no state of their own."""
        return {}

    def loss(self, work: LocalWork) -> Loss:
        """Returns the cross-entropy over all classes."""

        def loss(leaves: Mapping[str, Tensor], batch: Batch) -> Tensor:
            text = self.text(work.model, leaves["context"])
            return cross_entropy(work.model.score(batch.pooled, text), batch.labels)

        return loss

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scaled cosine of each image with each class under the shared context."""
        text = self.text(model, shared["context"])
        return lambda pooled, tokens: model.score(pooled, text)
