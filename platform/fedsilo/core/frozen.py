"""The frozen model as learners see it: a protocol, so that contracts do not depend on the models behind it.

Dimensions: K candidates, L context tokens, W text width, D joint width, N prompts, b images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fedsilo.core.batch import Candidates

if TYPE_CHECKING:
    from torch import Tensor


class Frozen(Protocol):
    """What every client shares and nothing changes."""

    @property
    def candidates(self) -> Candidates:
        """Returns what scores are over."""
        ...

    @property
    def device(self) -> str:
        """Returns where training runs."""
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
    def tower(self) -> Any:
        """Returns the text tower, `fedsilo.models.clip.text_tower.TextTower`."""
        ...

    @property
    def image(self) -> Any:
        """Returns the last blocks of the image tower, `fedsilo.models.clip.image_tail.ImageTail`.

        None unless a learner of the run says `needs_image_blocks`.
        """
        ...

    @property
    def classes(self) -> Any:
        """Returns the candidates' tokens, `fedsilo.models.clip.class_tokens.ClassTokens`."""
        ...

    def text_features(self, context: Tensor, classes: Any = None) -> Tensor:
        """Returns normalised text features (K, D) for a context (L, W), or (N, K, D) for (N, L, W).

        Args:
            context: The context, or N of them.
            classes: Tokens of the candidates where they are learned (soft tokens): `classes.with_embeddings` of other
                embeddings, or `classes.with_words` of vectors in the place of the names. Gradients flow to both.
        """
        ...

    def features_apart(self, contexts: Tensor, position: str, classes: Any = None) -> Tensor:
        """Returns normalised text features (N, K, D) for contexts (N, K, L, W) of single candidates."""
        ...

    def name_features(self) -> Tensor:
        """Returns normalised features (K, D) of the bare names of the candidates, not to be written."""
        ...

    def score(self, pooled: Tensor, text: Tensor) -> Tensor:
        """Returns (b, K) scaled cosines of images (b, D) and normalised text features (K, D)."""
        ...
