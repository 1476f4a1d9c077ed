"""PromptFL: clients learn one shared context in front of the class names; the server averages it (FedAvg).

Source: Guo et al., "PromptFL: Let Federated Participants Cooperatively Learn Prompts Instead of Models", IEEE TMC
2023, arXiv:2208.11625; the prompt is CoOp's, arXiv:2109.01134. Averaging weights clients by training examples.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.contracts import LocalResult, Method, Predictor, State
from fedsilo.fields import key
from fedsilo.prompts.frozen import FrozenModel, random_context
from fedsilo.seeds import torch_generator
from fedsilo.training import Batch, LocalWork, descend


@dataclass(frozen=True)
class PromptFL(Method):
    """One context for all clients and all classes, averaged every round."""

    uploads = ("context",)

    context_length: int = key(16, "Learned context vectors in front of each class name.", within=">= 1")

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns the context, N(0, 0.02^2)."""
        return {"context": random_context(self.context_length, model.width, torch_generator(seed, "context"))}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns nothing: clients keep no state of their own."""
        return {}

    def train(self, work: LocalWork) -> LocalResult:
        """Returns the context after the client's local epochs, from the received one."""

        def loss(parameters: dict[str, Tensor], batch: Batch) -> Tensor:
            text = work.model.text_features(parameters["context"])
            return cross_entropy(work.model.score(batch.pooled, text), batch.labels)

        end = descend(work, {"context": work.shared["context"]}, loss)
        return LocalResult(upload=end.parameters, private=end.memory, loss=end.loss, steps=end.steps)

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scaled cosine of each image with each class under the shared context."""
        text = model.text_features(shared["context"])
        return lambda pooled, tokens: model.score(pooled, text)
