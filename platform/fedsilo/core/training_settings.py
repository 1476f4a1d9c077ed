"""The scenario's section `training`: how long and how clients train, with which optimizer and learning rate.

The defaults are those of CoOp's trainer, which the papers inherit: SGD with momentum 0.9 and weight decay 5e-4,
shuffled batches, a last smaller batch left out if there is a full one, a constant learning rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedsilo.core.config_fields import key

FLOATING_ERROR = 1e-9
"""Larger than the rounding error of share * clients, smaller than any difference that a user means."""

SGD, ADAM, ADAMW = "sgd", "adam", "adamw"
FRESH, KEPT = "fresh", "kept"
CONSTANT, COSINE, STEP, EXPONENTIAL = "constant", "cosine", "step", "exponential"
BY_ROUND, BY_STEP = "round", "step"
LINEAR = "linear"


@dataclass(frozen=True)
class LearningRateSchedule:
    """The factor on the learning rate over the rounds; all lengths are in rounds.

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, for the cosine; Goyal et al., arXiv:1706.02677, for the linear
    warm-up. CoOp's trainer has a constant warm-up of one epoch at 1e-5 and a cosine that keeps counting to the full
    length; here the cosine begins after the warm-up and reaches its minimum at the end.
    """

    name: str = key(CONSTANT, "How the learning rate falls.", CONSTANT, COSINE, STEP, EXPONENTIAL)
    by: str = key(BY_ROUND, "When it changes: at the start of a round, or at every step inside it.", BY_ROUND, BY_STEP)
    minimum: float = key(0.0, "Factor at which 'cosine' ends.", within="in [0, 1]")
    every: float = key(10.0, "Rounds between two falls of 'step'.", within="> 0")
    gamma: float = key(0.1, "Factor of a fall of 'step', or of one round of 'exponential'.", within="in (0, 1]")
    warmup: float = key(0.0, "Rounds of warm-up before the schedule begins.", within=">= 0")
    warmup_from: float = key(0.0, "Factor at which the warm-up starts.", within="in [0, 1]")
    warmup_shape: str = key(
        LINEAR, "Warm-up that rises to 1, or that stays at warmup_from until it ends (CoOp).", LINEAR, CONSTANT
    )

    def factor(self, time: float, rounds: int) -> float:
        """Computes the factor on the learning rate.

        Args:
            time: Finished rounds and the finished part of the current one, in [0, rounds).
            rounds: Rounds of the run.

        Returns:
            The factor, >= 0.
        """
        if self.by == BY_ROUND:
            time = math.floor(time + FLOATING_ERROR)
        if time < self.warmup:
            risen = time / self.warmup if self.warmup_shape == LINEAR else 0.0
            return self.warmup_from + (1 - self.warmup_from) * risen
        return self._after(time - self.warmup, rounds - self.warmup)

    def _after(self, time: float, length: float) -> float:
        if self.name == COSINE:
            return self.minimum + (1 - self.minimum) * (1 + math.cos(math.pi * time / length)) / 2
        if self.name == STEP:
            return float(self.gamma ** math.floor(time / self.every + FLOATING_ERROR))
        return float(self.gamma**time) if self.name == EXPONENTIAL else 1.0


@dataclass(frozen=True)
class Optimizer:
    """The optimizer of clients: SGD as in CoOp's trainer, Adam, or AdamW."""

    name: str = key(SGD, "Kind of optimizer.", SGD, ADAM, ADAMW)
    learning_rate: float = key(
        0.001, "Step size. 0.001 is CoOp's with OpenAI's CLIP; fedsilo-tiny wants 0.01 to 0.05.", within="> 0"
    )
    momentum: float = key(0.9, "Momentum of SGD.", within="in [0, 1)")
    weight_decay: float = key(0.0005, "L2 penalty; with AdamW the decay beside the gradient.", within=">= 0")
    state: str = key(
        FRESH,
        "What a client's optimizer remembers (momentum) when a round begins: nothing, or what its last round left. "
        "Where every batch's gradient is sent it is always kept.",
        FRESH,
        KEPT,
    )


@dataclass(frozen=True)
class Training:
    """How long and how clients train."""

    rounds: int = key(10, "Federated rounds.", within=">= 1")
    local_epochs: int = key(1, "Passes over a client's data in each round.", within=">= 1")
    batch_size: int = key(
        32, "Images per step; a last smaller batch is left out, as in CoOp, if a full one exists.", within=">= 1"
    )
    participation: float = key(
        1.0, "Share of the clients that train in a round; in round 0 all do.", within="in (0, 1]"
    )
    views: int = key(
        0, "0: the plain image; K: that many cached random views of each training image, one per epoch.", within=">= 0"
    )
    online: bool = key(False, "A new random view in every epoch, encoded when needed: slow, no cache.")
    optimizer: Optimizer = key(Optimizer, "How a client steps.")
    schedule: LearningRateSchedule = key(LearningRateSchedule, "How the learning rate changes over the rounds.")

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields beyond their ranges."""
        schedule = self.schedule
        lasts = math.ceil(schedule.warmup) if schedule.by == BY_ROUND else schedule.warmup
        if lasts < self.rounds:
            return []
        return [
            f"schedule.warmup: {schedule.warmup:g} rounds of warm-up leave nothing of {self.rounds} rounds. Shorten it."
        ]

    def learning_rate(self, time: float) -> float:
        """Computes the learning rate.

        Args:
            time: Finished rounds and the finished part of the current one, in [0, rounds).

        Returns:
            The learning rate.
        """
        factor = self.schedule.factor(time, self.rounds)
        return self.optimizer.learning_rate if factor == 1 else factor * self.optimizer.learning_rate

    def batches(self, examples: int) -> int:
        """Counts the batches of an epoch: a last smaller one counts only where there is no full one.

        Args:
            examples: Training examples of the client.

        Returns:
            At least 1.
        """
        return max(examples // self.batch_size, 1)

    def rate(self, examples: int) -> float:
        """Computes the share of a client's examples in a batch; the mean share where batches are Poisson samples.

        Args:
            examples: Training examples of the client.

        Returns:
            A share in (0, 1].
        """
        return min(self.batch_size / examples, 1.0)

    def participants(self, clients: int) -> int:
        """Computes how many clients train in a round: max(int(participation * clients), 1).

        0.29 * 100 is 28.999999999999996 in floating point and means 29.

        Args:
            clients: Clients in the federation.

        Returns:
            At least 1.
        """
        return max(math.floor(self.participation * clients + FLOATING_ERROR), 1)
