"""pFedMoAP: every client has a context of its own and mixes in those of the clients most like it by a learned gate.

Source: Luo, Chen, Wu, "Mixture of Experts Made Personalized: Federated Prompt Learning for Vision-Language Models",
ICLR 2025, arXiv:2410.10114. The server keeps each client's last context; a client receives the nearest (L2) of the
others as frozen experts. Per class, the gate attends from the image to the text features of all experts, its own
among them; a score is sim(image, mixed text) + lambda sim(image, own text). The gate never leaves the client. The
paper's training: five local epochs, rate 0.002 for the context and 0.01 for the gate.

The gate is the released code's. It sees every (D / P)-th coordinate of the normalised features. Products of queries
and keys are multiplied by 10 before the softmax, not divided by sqrt(d). The mixed text is compared with the image in
these P coordinates; neither of the two is normalised again. `experts` counts the client's own context.

As in the released code every round begins from the shared context, the mean of all sent; `begin_from: own` goes on
from the client's own. A client that trains for the first time has no experts and trains as in PromptFL; so does one
that is alone. Other clients see a client's context as it is, not only in a mean.

Where the released code and this differ: there, participants are evaluated with the experts that they trained with;
here, all clients with those of the new shared state. Biases of the gate start at 0, there at random.

Dimensions: B images, K classes, E experts of others, D joint width, P width of the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from fedsilo.contracts import LocalResult, Predictor, State
from fedsilo.errors import BackboneError
from fedsilo.fields import key
from fedsilo.learning.descent import Loss
from fedsilo.learning.prompting import BATCH, DescentMethod
from fedsilo.learning.training import Batch, LocalWork, ServerWork
from fedsilo.prompts.frozen import FrozenModel
from fedsilo.prompts.layers import attend, attention_names, attention_start
from fedsilo.seeds import derive, torch_generator

CONTEXT, EXPERTS, OWN, GATE = "context", "experts", "own_context", "gate"
DRAW = "draw"
"""A seed and the round that random experts are drawn by, (2,) int64; it stays in the coordinator's state."""
KEPT = "last_context/"
NEAREST, RANDOM = "nearest", "random"
MEAN, OWN_LAST = "mean", "own"


@dataclass(frozen=True)
class PFedMoAP(DescentMethod):
    """A context and a gate per client, and the contexts of similar clients as experts."""

    uploads = (CONTEXT,)
    learns = attention_names(GATE)
    reads_updates = True

    experts: int = key(10, "Most contexts that the gate mixes, the client's own among them.", within=">= 1")
    selection: str = key(
        NEAREST, "Other clients whose contexts a client receives: the nearest by L2, or random ones.", NEAREST, RANDOM
    )
    begin_from: str = key(
        MEAN, "Context that a round's training begins from: the mean of all sent, or the client's own.", MEAN, OWN_LAST
    )
    local_weight: float = key(0.5, "Lambda: weight of the client's own text beside the mixed one.", within=">= 0")
    heads: int = key(8, "Attention heads of the gate; they divide its width.", within=">= 1")
    gate_width: int = key(128, "Coordinates of a feature that the gate sees, evenly spaced.", within=">= 1")
    scaling: float = key(
        10.0, "Factor of the gate's products of queries and keys; 1 / sqrt(gate_width / heads) is usual.", within="> 0"
    )
    gate_learning_rate_factor: float = key(
        5.0, "Learning rate of the gate over training.optimizer.learning_rate, that of the context.", within="> 0"
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        lines = super().problems()
        if self.synchronise == BATCH:
            lines.append("synchronise: experts are contexts after a round's training, not gradients. Use 'round'.")
        if self.heads > 0 and self.gate_width % self.heads:
            lines.append(f"heads: {self.heads} do not divide gate_width {self.gate_width}. Choose a divisor of it.")
        return lines

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """Returns the gate's factor for each of its tensors."""
        return dict.fromkeys(self.learns, self.gate_learning_rate_factor)

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns the context that first-timers train, the same start as in PromptFL."""
        draw = {DRAW: torch.tensor([derive(seed, "experts"), 0])} if self.selection == RANDOM else {}
        return {CONTEXT: self.start(model, seed), **draw}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns the gate, the same start for every client; a context of its own it has once it has trained."""
        width = self._width(model.zero_shot)
        if width % self.heads:
            raise BackboneError(
                f"method.heads: {self.heads} heads do not divide the joint width {width}, which is smaller than "
                "method.gate_width. Choose a divisor of it."
            )
        return attention_start(GATE, width, width, torch_generator(seed, "gate"))

    def download(self, shared: State, client: int) -> State:
        """Returns the shared context and the `experts` (E, ...): others' last contexts, the nearest or random ones.

        There are none for a client that never sent a context, nor for the only one that did.
        """
        context, own = shared[CONTEXT], shared.get(_kept(client))
        others = [tensor for name, tensor in sorted(shared.items()) if name.startswith(KEPT) and name != _kept(client)]
        if own is None or not others:
            return {CONTEXT: context, EXPERTS: context.new_zeros(0, *context.shape)}
        stacked = torch.stack(others)
        return {CONTEXT: context, EXPERTS: stacked[self._order(shared, stacked, own, client)[: self.experts - 1]]}

    def _order(self, shared: State, others: Tensor, own: Tensor, client: int) -> Tensor:
        """The others by nearness, or at random: another order for every round and client."""
        if self.selection == RANDOM:
            seed, round = shared[DRAW].tolist()
            return torch.randperm(len(others), generator=torch_generator(seed, "experts", round=round, client=client))
        distances: Tensor = torch.linalg.vector_norm((others.double() - own.double()).flatten(1), dim=1)
        return distances.argsort(stable=True)

    def parameters(self, work: LocalWork) -> State:
        """Returns the context to train, the shared one or the client's own if it has one; and the gate."""
        begin = _own(work.shared, work.private) if self.begin_from == OWN_LAST else work.shared[CONTEXT]
        return {CONTEXT: begin} | {name: work.private[name] for name in self.learns}

    def train(self, work: LocalWork) -> LocalResult:
        """Returns the context after local epochs, which the client also keeps, and the gate, trained if it was used."""
        result = super().train(work)
        # Without experts the gate has no gradient; weight decay alone shall not change it either.
        gate = {} if len(_experts(work.shared)) else {name: work.private[name] for name in self.learns}
        return replace(result, private={**result.private, **gate, OWN: result.upload[CONTEXT]})

    def server_step(self, work: ServerWork) -> State:
        """Returns the mean context, and beside it the last one of every client that ever sent one."""
        kept = {_kept(client): update[CONTEXT] for client, update in work.updates.items()}
        shared = {**super().server_step(work), **kept}
        if self.selection == RANDOM:
            shared[DRAW] = torch.tensor([int(work.shared[DRAW][0]), work.round + 1])
        return shared

    def loss(self, work: LocalWork) -> Loss:
        """Returns the cross-entropy over all classes; the experts' texts are computed once."""
        with torch.no_grad():
            others = self._expert_texts(work.model, work.shared)

        def loss(leaves: Mapping[str, Tensor], batch: Batch) -> Tensor:
            own = self.text(work.model, leaves[CONTEXT])
            return cross_entropy(self._scores(work.model, leaves, batch.pooled, (own, others)), batch.labels)

        return loss

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scores of the mixed and the own text together; of the own text alone without experts."""
        texts = self.text(model, _own(shared, private)), self._expert_texts(model, shared)
        return lambda pooled, tokens: self._scores(model, private, pooled, texts)

    def _expert_texts(self, model: FrozenModel, shared: State) -> Tensor:
        """(E, K, D)."""
        experts = _experts(shared)
        return self.texts(model, experts) if len(experts) else model.zero_shot.new_zeros(0, *model.zero_shot.shape)

    def _scores(self, model: FrozenModel, gate: State, pooled: Tensor, texts: tuple[Tensor, Tensor]) -> Tensor:
        """(B, K); `texts` are the own ones (K, D) and those of the experts (E, K, D)."""
        own, others = texts
        plain = model.score(pooled, own)
        if not len(others):
            return plain
        images = self._seen(normalize(pooled, dim=-1))
        by_class = self._seen(torch.cat([own.unsqueeze(0), others]).transpose(0, 1))
        mixed = attend(gate, GATE, images[:, None, None], by_class, self.heads, self.scaling).squeeze(-2)
        return model.scale * torch.einsum("bp,bkp->bk", images, mixed) + self.local_weight * plain

    def _seen(self, features: Tensor) -> Tensor:
        """(..., P): evenly spaced coordinates of features (..., D)."""
        width = self._width(features)
        return features[..., :: features.shape[-1] // width][..., :width]

    def _width(self, features: Tensor) -> int:
        """P: the key's value, or D where features have fewer coordinates."""
        return min(self.gate_width, features.shape[-1])


def _kept(client: int) -> str:
    """The name under which the shared state has a client's last context."""
    return f"{KEPT}{client:04d}"


def _experts(shared: State) -> Tensor:
    """The experts received; the shared state before round 0 has none."""
    return shared.get(EXPERTS, shared[CONTEXT].new_zeros(0, *shared[CONTEXT].shape))


def _own(shared: State, private: State) -> Tensor:
    return private.get(OWN, shared[CONTEXT])
