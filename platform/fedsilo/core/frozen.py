"""The contract of the frozen model, so that learners do not depend on the models behind it.

Dimensions: K candidates, L context tokens, W text width, D joint width, N prompts, b images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fedsilo.core.batch import Candidates

if TYPE_CHECKING:
    from torch import Tensor


class Frozen(Protocol):
    """The frozen model that all clients share."""

    @property
    def candidates(self) -> Candidates:
        """Returns the K candidates that scores are over."""
        ...

    @property
    def device(self) -> str:
        """Returns the device of training."""
        ...

    @property
    def scale(self) -> float:
        """Returns exp(logit_scale), the inverse temperature."""
        ...

    @property
    def zero_shot(self) -> Tensor:
        """Returns (K, D) normalised features of the hand-written prompt of each candidate."""
        ...

    @property
    def width(self) -> int:
        """Returns W, the length of one context vector."""
        ...

    @property
    def phrases(self) -> Mapping[str, Tensor]:
        """Returns (n, W) token embeddings of texts that the run's learners ask for."""
        ...

    @property
    def words(self) -> Mapping[str, Any]:
        """Returns the tokens (`ClassTokens`) of the names of the parts that candidates consist of, by part.

        For compositions these are "attribute" (A names) and "object" (O names); empty for classes without parts.
        """
        ...

    @property
    def tower(self) -> Any:
        """Returns the text tower, `fedsilo.models.clip.text_tower.TextTower`."""
        ...

    @property
    def image(self) -> Any:
        """Returns the last blocks of the image tower, `fedsilo.models.clip.image_tail.ImageTail`.

        None unless a learner of the run has `needs_image_blocks`.
        """
        ...

    @property
    def classes(self) -> Any:
        """Returns the candidates' tokens, `fedsilo.models.clip.class_tokens.ClassTokens`."""
        ...

    def text_features(self, context: Tensor, classes: Any = None) -> Tensor:
        """Computes normalised text features of contexts.

        Args:
            context: A context (L, W), or N contexts (N, L, W).
            classes: Tokens of the candidates where these are learned (soft tokens): `classes.with_embeddings` with
                other embeddings, or `classes.with_words` with vectors in the place of the names. Gradients flow to
                both.

        Returns:
            Features (K, D), or (N, K, D) for N contexts.
        """
        ...

    def features_apart(self, contexts: Tensor, position: str, classes: Any = None) -> Tensor:
        """Computes normalised text features of contexts that differ between candidates.

        Args:
            contexts: (N, K, L, W) contexts.
            position: Where the class name stands: "end", "middle" or "front".
            classes: As for `text_features`.

        Returns:
            Features (N, K, D).
        """
        ...

    def recall(self, how: str, read: tuple[Tensor, ...], compute: Callable[[], Tensor]) -> Tensor:
        """Returns stored features of learned texts, or computes them; with gradients they are always computed.

        Args:
            how: Name of the function of `read` that is computed.
            read: The tensors that it is computed from, beside this model.
            compute: Computes the features.

        Returns:
            The features; callers must not change them.
        """
        ...

    def name_features(self) -> Tensor:
        """Returns normalised features (K, D) of the bare names of the candidates; callers must not write to them."""
        ...

    def score(self, pooled: Tensor, text: Tensor) -> Tensor:
        """Computes scaled cosines of images and texts.

        Args:
            pooled: (b, D) image features.
            text: (K, D) normalised text features.

        Returns:
            Scores (b, K).
        """
        ...
