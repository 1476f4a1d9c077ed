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
        """Names the parameters: there are none."""
        return ()

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Builds the parameters: there are none.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            An empty mapping.
        """
        return {}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Scores images by the hand-written prompts.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            training: Whether the scores are for a training step.

        Returns:
            Scaled cosines (b, K).
        """
        return frozen.score(inputs[IMAGE], frozen.zero_shot)
