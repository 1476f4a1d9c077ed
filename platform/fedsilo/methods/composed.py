"""Any learner under any strategy: `method: {learner: NAME, strategy: NAME}`, with the keys of both."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.config_fields import slot
from fedsilo.core.learner import Learner
from fedsilo.core.strategy import Strategy
from fedsilo.learners.coop import CoOpLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipes import Recipe


@dataclass(frozen=True)
class Composed(Recipe):
    """A learner and a strategy, named separately."""

    learner: Learner = slot("coop", "What is learned; `fedsilo list` has the learners.")
    strategy: Strategy = slot("fedavg", "The federated algorithm.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields, each line with its part in front of the key."""
        parts = {"learner": self.learner.problems(), "strategy": self.strategy.problems()}
        alone = [f"{part}.{line}" for part, lines in parts.items() for line in lines]
        return alone or [f"strategy.{line}" for line in self.strategy.refusals(self.learner)]

    def __post_init__(self) -> None:
        """Fills in the default learner and strategy."""
        if self.learner is None:
            object.__setattr__(self, "learner", CoOpLearner())
        if self.strategy is None:
            object.__setattr__(self, "strategy", FedAvgStrategy())
