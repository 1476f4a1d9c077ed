"""Local training: every client learns alone, nothing travels. The baseline of every federation.

Source: the comparison "local" of the federated literature; for prompts, CoOp run by each client (Zhou et al., IJCV
2022, arXiv:2109.01134).
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.learner import Learner
from fedsilo.training.averaging import Averaging


@dataclass(frozen=True)
class LocalStrategy(Averaging):
    """All parameters stay with their client."""

    shares = False

    def shared(self, learner: Learner) -> tuple[str, ...]:
        """Names the parameters that travel: none.

        Args:
            learner: The learner.

        Returns:
            ().
        """
        return ()
