"""Local CoOp: every client learns a context alone; nothing is shared, nothing is sent.

Source: Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022, arXiv:2109.01134, run per client.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.contracts import Predictor, State
from fedsilo.prompting import DescentMethod
from fedsilo.prompts.frozen import FrozenModel


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

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scaled cosine of each image with each class under the client's own context."""
        text = self.text(model, private["context"])
        return lambda pooled, tokens: model.score(pooled, text)
