"""Zero-shot CLIP: the hand-written prompt, nothing to learn.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.batch import IMAGE, Columns
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.types import State


@dataclass(frozen=True)
class ZeroShotLearner(Learner):
    """Scores by the data set's own template, such as "a photo of a {}."."""

    trains = False

    def names(self) -> tuple[str, ...]:
        """Returns nothing."""
        return ()

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Returns nothing."""
        return {}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Returns the scaled cosine of each image with each class's hand-written prompt."""
        return frozen.score(inputs[IMAGE], frozen.zero_shot)
