"""pFedPrompt's learner: a context, and attention over the features of the client's own training images.

Source: Guo, Guo, Wang, "pFedPrompt: Learning Personalized Prompt for Vision-Language Models in Federated Learning", WWW
2023; the attention without parameters is that of Tip-Adapter, Zhang et al., ECCV 2022, arXiv:2111.03930. Scores are
text + alpha * exp(-beta (1 - f F^T)) Y: f the image, F the client's training images, Y their classes, all normalised. F
and Y never leave the client.

Reconstruction, after what other papers say of it: the context is trained on the text scores alone, exactly as in
PromptFL. Through the sum it would not be: a training image finds itself in the cache, with its label. F is filled when
the client first trains and then stays.

Dimensions: b images, n training images, K classes, L context tokens, W text width, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from fedsilo.core.batch import CLASS, IMAGE, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.round_work import LocalWork
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import PromptLearner

CONTEXT, KEYS, LABELS = "context", "cache.keys", "cache.labels"


@dataclass(frozen=True)
class PFedPromptLearner(PromptLearner):
    """One context, and each client's own training images to compare with."""

    alpha: float = key(1.0, "Weight of the attention beside the text scores; 0 is PromptFL.", within=">= 0")
    beta: float = key(5.5, "How fast attention falls with the cosine distance of two images.", within=">= 0")

    @property
    def reads_names(self) -> bool:
        """Returns False: the cache has no images of new classes."""
        return False

    def names(self) -> tuple[str, ...]:
        """Names the parameters: the context."""
        return (CONTEXT,)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws the context, the same start as in PromptFL.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The context (L, W) by name.
        """
        return {CONTEXT: self.start(frozen, seed)}

    def buffers(self, frozen: Frozen, seed: int, client: int) -> State:
        """Builds an empty cache.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            Features (0, D) and classes (0,) by name.
        """
        return {KEYS: torch.zeros(0, frozen.zero_shot.shape[1]), LABELS: torch.zeros(0, dtype=torch.int64)}

    def observe_data(self, work: LocalWork, buffers: State) -> State:
        """Fills the cache if it is empty.

        Args:
            work: The client's work in one exchange.
            buffers: All buffers by name.

        Returns:
            The cache: normalised features (n, D) and their classes (n,) by name.
        """
        if len(buffers[KEYS]):
            return buffers
        everything = work.everything()
        filled = {KEYS: normalize(everything.inputs[IMAGE], dim=-1), LABELS: everything.targets[CLASS]}
        return {**buffers, **filled}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Adds to the text scores, in evaluation, the attention to the client's own images.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            training: Whether the scores are for a training step.

        Returns:
            Scores (b, K); the text scores alone while the cache is empty.
        """
        text = self.text(frozen, params[CONTEXT])
        plain = frozen.score(inputs[IMAGE], text)
        if training:
            return plain
        values = one_hot(buffers[LABELS], len(frozen.candidates)).to(text.dtype)
        nearness = torch.exp(-self.beta * (1 - normalize(inputs[IMAGE], dim=-1) @ buffers[KEYS].T))
        return plain + self.alpha * (nearness @ values)
