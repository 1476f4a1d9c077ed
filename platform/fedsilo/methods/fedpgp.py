"""FedPGP: a shared context plus a low-rank change of it per client, held to CLIP's own knowledge by a contrast.

Client i's prompt is p = s + u v. Besides the cross-entropy, the class features of the shared context s are drawn
towards those of the hand-written prompt and away from the personal ones: with t_0, t_s, t_p of a class,
-log(e^(cos(t_0, t_s)/tau) / (e^(cos(t_0, t_s)/tau) + e^(cos(t_s, t_p)/tau))), the mean over classes.

Source: Cui, Li, Wang, Shi, "Harmonizing Generalization and Personalization in Federated Prompt Learning", ICML 2024,
arXiv:2405.09771. t_0 here is the data set's template ("a photo of a {}."), which the paper means; the authors' code
encodes placeholders, "X X ... {}.": `origin: placeholders`. DP-FPL's tables have FedPGP with `mu: 0`, `rank: 8`,
`synchronise: batch`.

Dimensions: K classes, L context tokens, W text width, k rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.contracts import Predictor, State
from fedsilo.fields import key
from fedsilo.learning.descent import Loss
from fedsilo.learning.prompting import DescentMethod
from fedsilo.learning.training import Batch, LocalWork
from fedsilo.prompts.frozen import FrozenModel, random_context
from fedsilo.seeds import torch_generator

TEMPLATE, PLACEHOLDERS = "template", "placeholders"


@dataclass(frozen=True)
class FedPGP(DescentMethod):
    """The prompt s + u v: s (`context`) is averaged, the factors u (L, k) and v (k, W) stay with their client."""

    uploads = ("context",)
    learns = ("u", "v")

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

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns s, N(0, 0.02^2) or words."""
        return {"context": self.start(model, seed)}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns u and v, both N(0, 0.02^2) and alike for all clients."""
        return {
            "u": random_context(self.context_length, self.rank, torch_generator(seed, "factor u")),
            "v": random_context(self.rank, model.width, torch_generator(seed, "factor v")),
        }

    def loss(self, work: LocalWork) -> Loss:
        """Returns the cross-entropy over all classes and the weighted contrast."""
        model = work.model
        origin = self.origin_features(model) if self.mu else model.zero_shot

        def loss(leaves: Mapping[str, Tensor], batch: Batch) -> Tensor:
            shared, own = leaves["context"], _personal(leaves)
            if not self.mu:
                return cross_entropy(model.score(batch.pooled, self.text(model, own)), batch.labels)
            shared_text, text = self.texts(model, torch.stack([shared, own]))
            plain = cross_entropy(model.score(batch.pooled, text), batch.labels)
            return plain + self.mu * self.contrast(origin, shared_text, text)

        return loss

    @torch.no_grad()
    def origin_features(self, model: FrozenModel) -> Tensor:
        """Returns t_0, (K, D), normalised: of the template, or of placeholders with the name at the end."""
        if self.origin == TEMPLATE:
            return model.zero_shot
        return model.text_features(model.phrases[self._placeholders])

    def contrast(self, origin: Tensor, shared: Tensor, personal: Tensor) -> Tensor:
        """Returns the contrast of normalised class features t_0, t_s and t_p, each (K, D): a scalar."""
        alike, apart = (origin * shared).sum(dim=-1), (shared * personal).sum(dim=-1)
        pairs = torch.stack([alike, apart], dim=-1) / self.temperature
        return cross_entropy(pairs, torch.zeros(len(pairs), dtype=torch.long, device=pairs.device))

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scaled cosine of each image with each class under the client's own prompt."""
        text = self.text(model, _personal({**shared, **private}))
        return lambda pooled, tokens: model.score(pooled, text)


def _personal(state: Mapping[str, Tensor]) -> Tensor:
    return state["context"] + state["u"] @ state["v"]
