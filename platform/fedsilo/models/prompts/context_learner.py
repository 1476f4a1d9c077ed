"""Learners that put learned vectors, a context, beside the class names.

Source: Zhou et al., "Learning to Prompt for Vision-Language Models" (CoOp), IJCV 2022, arXiv:2109.01134.

Dimensions: K candidates, L context tokens, N prompts, W text width, D joint width, b images.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.batch import IMAGE, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.errors import BackboneError
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.seeds import torch_generator
from fedsilo.core.types import State
from fedsilo.models.prompts.frozen_model import draw_context
from fedsilo.models.prompts.sequences import POSITIONS


@dataclass(frozen=True)
class PromptLearner(Learner):
    """A learner with contexts: their length, their start, and the place of the class name."""

    context_length: int = key(16, "Learned context vectors of a prompt.", within=">= 1")
    context_words: str = key(
        "", "Words whose embeddings the vectors next to the class name start from; the others start random."
    )
    class_position: str = key("end", "Place of the class name: after, inside or before the context.", *POSITIONS)
    class_specific: bool = key(False, "A context for every class instead of one for all.")

    @property
    def phrases(self) -> tuple[str, ...]:
        """Returns the words that the context starts from."""
        return (self.context_words,) if self.context_words else ()

    @property
    def reads_names(self) -> bool:
        """Returns whether one context serves all classes, so that it can stand before other names."""
        return not self.class_specific

    @property
    def common_prefix(self) -> bool:
        """Returns whether all classes have the same context in front."""
        return self.class_position == "end" and not self.class_specific

    def start(self, model: Frozen, seed: int, purpose: str = "context") -> Tensor:
        """Draws a context before training from N(0, 0.02^2), or starts it from words.

        The same purpose gives the same start in every method and client, so that only training differs.

        Args:
            model: The frozen model.
            seed: The scenario's seed.
            purpose: Purpose of the draw.

        Returns:
            (L, W), or (K, L, W) class-specific.

        Raises:
            BackboneError: The words have more tokens than the context.
        """
        classes = len(model.classes) if self.class_specific else 1
        context = draw_context(classes * self.context_length, model.width, torch_generator(seed, purpose))
        context = context.view(classes, self.context_length, -1)
        if self.context_words:
            words = model.phrases[self.context_words].cpu()
            if len(words) > self.context_length:
                raise BackboneError(
                    f"method.context_words: {self.context_words!r} has {len(words)} tokens, method.context_length is "
                    f"{self.context_length}. Make the context at least as long."
                )
            first = self._beside_the_name(len(words))
            context[:, first : first + len(words)] = words
        return context if self.class_specific else context[0]

    def _beside_the_name(self, words: int) -> int:
        """Returns the first position of some vectors next to the class name: behind it, around it or before it."""
        first = {"front": 0, "middle": self.context_length // 2 - words // 2}
        return first.get(self.class_position, self.context_length - words)

    def texts(self, model: Frozen, contexts: Tensor) -> Tensor:
        """Encodes N contexts.

        Args:
            model: The frozen model.
            contexts: (N, L, W), or (N, K, L, W) class-specific.

        Returns:
            Normalised class features (N, K, D).
        """
        if self.common_prefix:
            return model.text_features(contexts)
        if not self.class_specific:
            contexts = contexts.unsqueeze(1).expand(-1, len(model.classes), -1, -1)
        return model.features_apart(contexts, self.class_position)

    def text(self, model: Frozen, context: Tensor) -> Tensor:
        """Encodes one context.

        Args:
            model: The frozen model.
            context: (L, W), or (K, L, W) class-specific.

        Returns:
            Normalised class features (K, D).
        """
        return self.texts(model, context.unsqueeze(0))[0]


@dataclass(frozen=True)
class ContextLearner(PromptLearner):
    """A learner whose scores depend on its parameters only through the class features of its contexts.

    Per-example gradients can then run through the text tower once for all examples (`core.learner.ThroughText`).
    """

    separable = True

    @abstractmethod
    def contexts(self, params: State) -> Tensor:
        """Builds the contexts from the parameters.

        Args:
            params: All parameters by name.

        Returns:
            (N, L, W), or (N, K, L, W) class-specific.
        """

    def scores_of_texts(self, frozen: Frozen, texts: Tensor, inputs: Columns) -> Tensor:
        """Scores images under class features: by default by the cosines with the first context's.

        Args:
            frozen: The frozen model.
            texts: Normalised class features (N, K, D).
            inputs: Columns of inputs, (b, ...) each.

        Returns:
            Scores (b, K).
        """
        return frozen.score(inputs[IMAGE], texts[0])

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Scores images under the contexts.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            training: Whether the scores are for a training step.

        Returns:
            Scores (b, K).
        """
        return self.scores_of_texts(frozen, self.texts(frozen, self.contexts(params)), inputs)
