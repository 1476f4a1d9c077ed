"""FedTPG's learner: one network that writes the context from the class names at hand.

Source: Qiu et al., "Federated Text-driven Prompt Generation for Vision-Language Models", ICLR 2024, arXiv:2310.06123.
Learned queries attend to the frozen text features of a client's bare class names; the result of the attention, without
the queries, passes a gated feed-forward layer that is added to it. Layer norms stand in front of queries, names and
feed-forward layer. The result is the context.

What the paper has and fedsilo cannot express yet: clients of several data sets in one federation. The paper tests a
client among its own classes only. Here all methods are tested among all classes, so the loss is over all classes too;
`loss_over: own` is the paper's loss.

Reconstruction: the first values of the weights. A client's names are the classes of its training images, in training
and in evaluation; before it has trained, all classes.

Dimensions: b images, k classes of a client out of K, L context tokens, W text width, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedsilo.core.batch import CLASS, IMAGE, Batch, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.errors import BackboneError
from fedsilo.core.frozen import Frozen
from fedsilo.core.round_work import LocalWork
from fedsilo.core.seeds import torch_generator
from fedsilo.core.task import Task
from fedsilo.core.types import State
from fedsilo.models.prompts.cross_attention import Attention, GatedFeedForward, draw
from fedsilo.models.prompts.frozen_model import draw_context
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ModuleLearner

OWN_CLASSES = "own_classes"
BARE, TEMPLATE = "bare", "template"
ALL, OWN = "all", "own"
WIDENING = 4
"""Width inside the feed-forward layer over that of the text tower, as usual in transformers."""


class PromptGenerator(nn.Module):
    """The network from name features (k, D) to a context (L, W), with queries (L, W)."""

    def __init__(self, length: int, sizes: ModelSizes, heads: int) -> None:
        """Builds the network.

        Args:
            length: L, vectors of the context.
            sizes: Sizes of the frozen model.
            heads: Attention heads, a divisor of W.
        """
        super().__init__()
        width, joint = sizes.width, sizes.joint
        self.queries = nn.Parameter(torch.empty(length, width))
        self.norm = _Norms(width, joint)
        self.attention = Attention(width, joint, heads)
        self.feed_forward = GatedFeedForward(width, WIDENING * width)

    def forward(self, names: Tensor) -> Tensor:
        """Writes the context.

        Args:
            names: Name features (k, D).

        Returns:
            The context (L, W).
        """
        rows = self.attention(self.norm.queries(self.queries), self.norm.names(names))
        result: Tensor = rows + self.feed_forward(self.norm.feed_forward(rows))
        return result


class _Norms(nn.Module):
    """The layer norms in front of queries, names and feed-forward layer."""

    def __init__(self, width: int, joint: int) -> None:
        super().__init__()
        self.queries, self.names = nn.LayerNorm(width), nn.LayerNorm(joint)
        self.feed_forward = nn.LayerNorm(width)


@dataclass(frozen=True)
class FedTPGLearner(ModuleLearner):
    """A network that writes the context."""

    context_length: int = key(4, "Context vectors that the network writes.", within=">= 1")
    heads: int = key(4, "Attention heads; they divide the width of the text tower.", within=">= 1")
    name_text: str = key(
        BARE, "Text whose features the network reads: the bare class name, or the data set's prompt.", BARE, TEMPLATE
    )
    loss_over: str = key(
        ALL, "Classes that the training loss compares: all of the data set, or the client's own.", ALL, OWN
    )

    @property
    def state_names(self) -> Mapping[str, str]:
        """Returns the names of the feed-forward layer in earlier runs."""
        return {"feed_forward.": "forward.", "norm.feed_forward.": "norm.forward."}

    @property
    def vectorises(self) -> bool:
        """Returns False: its context passes through the text tower."""
        return False

    def module(self, sizes: ModelSizes) -> nn.Module:
        """Builds the network.

        Args:
            sizes: Sizes of the frozen model: K, D and W.

        Returns:
            The network with fresh weights.
        """
        return PromptGenerator(self.context_length, sizes, self.heads)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws the network's weights, its queries from N(0, 0.02^2).

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The weights by name, the same for every client.

        Raises:
            BackboneError: The heads do not divide W.
        """
        if frozen.width % self.heads:
            raise BackboneError(
                f"method.heads: {self.heads} heads do not divide the text width {frozen.width}. Choose a divisor of it."
            )
        generator = torch_generator(seed, "prompt generator")
        network = PromptGenerator(self.context_length, ModelSizes.of(frozen), self.heads)
        network.queries = nn.Parameter(draw_context(self.context_length, frozen.width, generator))
        draw(network, generator)
        return {self.in_state(name): p.detach() for name, p in network.named_parameters()}

    def buffers(self, frozen: Frozen, seed: int, client: int) -> State:
        """Marks the class names of a client: all, while it has not trained.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The mark (K,) of ones by name.
        """
        return {OWN_CLASSES: torch.ones(len(frozen.candidates))}

    def observe_data(self, work: LocalWork, buffers: State) -> State:
        """Marks the classes of the client's images, from before its first step on.

        Args:
            work: The client's work in one exchange.
            buffers: All buffers by name.

        Returns:
            The mark (K,) of 0 and 1 by name.
        """
        own = torch.zeros(len(work.model.candidates))
        own[work.task.targets(work.labels, work.model.candidates)[CLASS]] = 1.0
        return {**buffers, OWN_CLASSES: own.to(work.model.device)}

    def for_other_candidates(self, frozen: Frozen, buffers: State) -> State:
        """Marks all class names of a model with other classes.

        Args:
            frozen: The frozen model with the other classes.
            buffers: All buffers by name.

        Returns:
            The mark (K,) of ones by name.
        """
        return {**buffers, OWN_CLASSES: torch.ones(len(frozen.candidates), device=frozen.device)}

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        """Computes the task's loss over all classes, or over those of the client's images.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            batch: The examples (b, ...).
            frozen: The frozen model.
            task: The task.

        Returns:
            The mean loss, shape ().
        """
        scores = self.scores(params, buffers, batch.inputs, frozen, training=True)
        if self.loss_over == OWN:
            scores = scores.masked_fill(buffers[OWN_CLASSES] == 0, -torch.inf)
        return task.loss(scores, batch.targets, frozen.candidates)

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Scores images under the context of the client's names.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            buffers: All buffers by name.

        Returns:
            Scaled cosines (b, K).
        """
        context = module(self._names(frozen, buffers[OWN_CLASSES]))
        return frozen.score(inputs[IMAGE], frozen.text_features(context))

    def context(self, params: State, frozen: Frozen, own: Tensor) -> Tensor:
        """Writes the context from some class names.

        Args:
            params: All parameters by name.
            frozen: The frozen model.
            own: (K,) with 1 at the class names to read.

        Returns:
            The context (L, W).
        """
        names = self._names(frozen, own)
        return self.run(lambda module: module(names), params, frozen)

    def _names(self, frozen: Frozen, own: Tensor) -> Tensor:
        features = frozen.name_features() if self.name_text == BARE else frozen.zero_shot
        return features[own.bool()]
