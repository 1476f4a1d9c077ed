"""FedPGP's learner: a shared context plus a low-rank change of it, held to CLIP's own knowledge by a contrast.

Client i's prompt is p = s + u v. Besides the task's loss, the class features of the shared context s are drawn towards
those of the hand-written prompt and away from the personal ones: with t_0, t_s, t_p of a class, -log(e^(cos(t_0,
t_s)/tau) / (e^(cos(t_0, t_s)/tau) + e^(cos(t_s, t_p)/tau))), the mean over classes.

Source: Cui, Li, Wang, Shi, "Harmonizing Generalization and Personalization in Federated Prompt Learning", ICML 2024,
arXiv:2405.09771. t_0 here is the data set's template ("a photo of a {}."), which the paper means; the authors' code
encodes placeholders, "X X ... {}.": `origin: placeholders`.

Dimensions: K classes, L context tokens, W text width, D joint width, k rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.core.batch import IMAGE, Batch, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.seeds import torch_generator
from fedsilo.core.task import Task
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import PromptLearner
from fedsilo.models.prompts.frozen_model import draw_context

CONTEXT, U, V = "context", "u", "v"
TEMPLATE, PLACEHOLDERS = "template", "placeholders"


@dataclass(frozen=True)
class FedPGPLearner(PromptLearner):
    """The prompt s + u v: s (`context`) may be shared, the factors u (L, k) and v (k, W) stay with their client."""

    personal = (U, V)

    rank: int = key(4, "Rank k of a client's change of the shared context.", within=">= 1")
    mu: float = key(1.0, "Weight of the contrast; 0 leaves it out, as in DP-FPL's tables.", within=">= 0")
    temperature: float = key(0.5, "Temperature tau of the contrast.", within="> 0")

    origin: str = key(
        TEMPLATE,
        "What t_0 encodes: the data set's template, or an 'X' for each context vector and the name (authors' code).",
        TEMPLATE,
        PLACEHOLDERS,
    )

    @property
    def phrases(self) -> tuple[str, ...]:
        """Returns the words that the context starts from and the placeholders that t_0 is made of."""
        return (*super().phrases, *([self._placeholders] if self.origin == PLACEHOLDERS else []))

    @property
    def _placeholders(self) -> str:
        return " ".join(["X"] * self.context_length)

    def names(self) -> tuple[str, ...]:
        """Names the parameters: s, u and v."""
        return (CONTEXT, U, V)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws s, u and v from N(0, 0.02^2), the same for all clients; s may start from words.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            s (L, W), u (L, k) and v (k, W) by name.
        """
        return {
            CONTEXT: self.start(frozen, seed),
            U: draw_context(self.context_length, self.rank, torch_generator(seed, "factor u")),
            V: draw_context(self.rank, frozen.width, torch_generator(seed, "factor v")),
        }

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        """Computes the task's loss plus mu times the contrast.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            batch: The examples (b, ...).
            frozen: The frozen model.
            task: The task.

        Returns:
            The mean loss, shape ().
        """
        if not self.mu:
            return super().loss(params, buffers, batch, frozen, task)
        shared_text, text = self.texts(frozen, torch.stack([params[CONTEXT], _personal(params)]))
        plain = task.loss(frozen.score(batch.inputs[IMAGE], text), batch.targets, frozen.candidates)
        return plain + self.mu * self.contrast(self.encode_origin(frozen), shared_text, text)

    @torch.no_grad()
    def encode_origin(self, frozen: Frozen) -> Tensor:
        """Encodes t_0: the template, or placeholders with the name at the end.

        Args:
            frozen: The frozen model.

        Returns:
            (K, D), normalised.
        """
        if self.origin == TEMPLATE:
            return frozen.zero_shot
        return frozen.text_features(frozen.phrases[self._placeholders])

    def contrast(self, origin: Tensor, shared: Tensor, personal: Tensor) -> Tensor:
        """Computes the contrast, the mean over classes.

        Args:
            origin: t_0, (K, D) normalised.
            shared: t_s, (K, D) normalised.
            personal: t_p, (K, D) normalised.

        Returns:
            The contrast, shape ().
        """
        alike, apart = (origin * shared).sum(dim=-1), (shared * personal).sum(dim=-1)
        pairs = torch.stack([alike, apart], dim=-1) / self.temperature
        return cross_entropy(pairs, torch.zeros(len(pairs), dtype=torch.long, device=pairs.device))

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Scores images under the client's own prompt.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            training: Whether the scores are for a training step.

        Returns:
            Scaled cosines (b, K).
        """
        return frozen.score(inputs[IMAGE], self.text(frozen, _personal(params)))


def _personal(params: State) -> Tensor:
    return params[CONTEXT] + params[U] @ params[V]
