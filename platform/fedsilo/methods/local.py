"""Local CoOp: every client learns a context alone; nothing is shared, nothing is sent.

Source: Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022, arXiv:2109.01134, run per client.
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
class Local(Method):
    """One context per client, trained on its own images for as many epochs as the federated methods get."""

    context_length: int = key(16, "Learned context vectors in front of each class name.", within=">= 1")

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns nothing."""
        return {}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns the context, the same start for every client as in PromptFL, so that only training differs."""
        return {"context": random_context(self.context_length, model.width, torch_generator(seed, "context"))}

    def train(self, work: LocalWork) -> LocalResult:
        """Returns the client's context after more local epochs; the upload is empty."""

        def loss(parameters: dict[str, Tensor], batch: Batch) -> Tensor:
            text = work.model.text_features(parameters["context"])
            return cross_entropy(work.model.score(batch.pooled, text), batch.labels)

        end = descend(work, {"context": work.private["context"]}, loss)
        return LocalResult(upload={}, private={**end.parameters, **end.memory}, loss=end.loss, steps=end.steps)

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scaled cosine of each image with each class under the client's own context."""
        text = model.text_features(private["context"])
        return lambda pooled, tokens: model.score(pooled, text)
