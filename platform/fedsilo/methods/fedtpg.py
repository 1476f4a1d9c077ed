"""FedTPG: clients learn one network that writes the context from the class names at hand; the server averages it.

Source: Qiu et al., "Federated Text-driven Prompt Generation for Vision-Language Models", ICLR 2024,
arXiv:2310.06123. Learned queries attend to the frozen text features of a client's bare class names; what comes out of
the attention, without the queries, passes a gated feed-forward layer that is added to it. Layer norms stand in front
of queries, names and feed-forward layer. The result is the context. Clients count alike in the average. The paper's
training: SGD 0.003, momentum 0.9 that a client keeps (`persistent: true`), weight decay 1e-5, cosine decay, one pass
a round.

What the paper has and fedsilo cannot express yet: clients of several data sets in one federation; a learning rate
that falls with the rounds. The paper tests a client among its own classes only. Here all methods are tested among all
classes, so the loss is over all classes too; `loss_over: own` is the paper's loss.

Reconstruction: the first values of the weights. The names a client has are the classes of its training images, kept by
it, in training and in evaluation; before it has trained, all classes.

Dimensions: k classes of a client out of K, L context tokens, W text width, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.contracts import LocalResult, Predictor, State
from fedsilo.errors import BackboneError
from fedsilo.fields import key
from fedsilo.learning.descent import Loss
from fedsilo.learning.prompting import TrainedMethod
from fedsilo.learning.training import Batch, LocalWork
from fedsilo.prompts.frozen import FrozenModel, random_context
from fedsilo.prompts.layers import (
    attend,
    attention_names,
    attention_start,
    gated,
    gated_names,
    gated_start,
    norm,
    norm_names,
    norm_start,
)
from fedsilo.seeds import torch_generator

QUERIES, ATTENTION, FORWARD = "queries", "attention", "forward"
BEFORE_QUERIES, BEFORE_NAMES, BEFORE_FORWARD = "norm.queries", "norm.names", "norm.forward"
OWN_CLASSES = "own_classes"
BARE, TEMPLATE = "bare", "template"
ALL, OWN = "all", "own"
WIDENING = 4
"""Width inside the feed-forward layer over that of the text tower, the usual one of a transformer."""


@dataclass(frozen=True)
class FedTPG(TrainedMethod):
    """One prompt generator for all clients, averaged every round."""

    uploads = (
        QUERIES,
        *(name for layer in (BEFORE_QUERIES, BEFORE_NAMES, BEFORE_FORWARD) for name in norm_names(layer)),
        *attention_names(ATTENTION),
        *gated_names(FORWARD),
    )

    context_length: int = key(4, "Context vectors that the network writes.", within=">= 1")
    heads: int = key(4, "Attention heads; they divide the width of the text tower.", within=">= 1")
    names: str = key(
        BARE, "Text whose features the network reads: the bare class name, or the data set's prompt.", BARE, TEMPLATE
    )
    loss_over: str = key(
        ALL, "Classes that the training loss compares: all of the data set, or the client's own.", ALL, OWN
    )

    @property
    def uniform(self) -> bool:
        """Returns True: clients count alike, however many images they have."""
        return True

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns the network, its queries N(0, 0.02^2). Raises BackboneError where the heads do not fit."""
        width, joint = model.width, model.zero_shot.shape[1]
        if width % self.heads:
            raise BackboneError(
                f"method.heads: {self.heads} heads do not divide the text width {width}. Choose a divisor of it."
            )
        generator = torch_generator(seed, "prompt generator")
        return {
            QUERIES: random_context(self.context_length, width, generator),
            **norm_start(BEFORE_QUERIES, width),
            **norm_start(BEFORE_NAMES, joint),
            **norm_start(BEFORE_FORWARD, width),
            **attention_start(ATTENTION, width, joint, generator),
            **gated_start(FORWARD, width, WIDENING * width, generator),
        }

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns which class names the client has, (K,) of 0 and 1: all, as long as it has not trained."""
        return {OWN_CLASSES: torch.ones(len(model.classes))}

    def train(self, work: LocalWork) -> LocalResult:
        """Returns what training makes of the network; the client notes the classes of its images."""
        result = super().train(work)
        return replace(result, private={**result.private, OWN_CLASSES: _own_classes(work)})

    def loss(self, work: LocalWork) -> Loss:
        """Returns the cross-entropy over all classes, or over those of the client's images."""
        own = _own_classes(work)

        def loss(leaves: Mapping[str, Tensor], batch: Batch) -> Tensor:
            text = work.model.text_features(self.context(work.model, leaves, own))
            scores = work.model.score(batch.pooled, text)
            if self.loss_over == OWN:
                scores = scores.masked_fill(own == 0, -torch.inf)
            return cross_entropy(scores, batch.labels)

        return loss

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scaled cosine of each image with each class under the context of the client's names."""
        text = model.text_features(self.context(model, shared, private[OWN_CLASSES]))
        return lambda pooled, tokens: model.score(pooled, text)

    def unfamiliar(self, model: FrozenModel, private: State) -> State:
        """Returns the mark of all names: the network writes from those that are asked for."""
        return {OWN_CLASSES: torch.ones(len(model.classes), device=model.device)}

    def context(self, model: FrozenModel, network: State, own: Tensor) -> Tensor:
        """Returns the context (L, W) that the network writes from the class names that `own` (K,) marks with 1."""
        features = model.name_features() if self.names == BARE else model.zero_shot
        names = norm(network, BEFORE_NAMES, features[own.bool()])
        rows = attend(network, ATTENTION, norm(network, BEFORE_QUERIES, network[QUERIES]), names, self.heads)
        return rows + gated(network, FORWARD, norm(network, BEFORE_FORWARD, rows))


def _own_classes(work: LocalWork) -> Tensor:
    own = torch.zeros(len(work.model.classes))
    own[work.labels] = 1.0
    return own.to(work.model.device)
