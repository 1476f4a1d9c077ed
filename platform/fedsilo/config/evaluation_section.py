"""The scenario's section `evaluation`, and its references: methods that are trained for comparison on the same clients.

A reference has the scenario's `training`, but for the keys that its entry names. So a row of a paper's table can have
the settings that it was published with.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace

from fedsilo.core.config_fields import key
from fedsilo.core.training_settings import LearningRateSchedule, Optimizer, Training


@dataclass(frozen=True)
class ReferenceTraining:
    """Keys of `training` that a reference may have of its own.

    Rounds, participation and views are the same for all methods of a run: they decide which clients and images there
    are. In a scenario a key that is not named has the value of the section `training`.
    """

    local_epochs: int = key(1, "Passes over a client's data in each round.", within=">= 1")
    batch_size: int = key(32, "Images per step.", within=">= 1")
    optimizer: Optimizer = key(Optimizer, "How a client steps.")
    schedule: LearningRateSchedule = key(LearningRateSchedule, "How the learning rate changes over the rounds.")

    def laid_over(self, training: Training) -> Training:
        """Replaces keys of the section `training` by these.

        Args:
            training: The scenario's section.

        Returns:
            The changed section.
        """
        return replace(training, **{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True)
class Reference:
    """A method that is trained beside the scenario's own; `local` stands for {name: local}."""

    name: str = key(MISSING, "Method, or LEARNER+STRATEGY; its keys are the method's where both have them.")
    training: ReferenceTraining | None = key(
        None,
        "What it has of its own of training: local_epochs, batch_size, optimizer and schedule, for example {optimizer: "
        "{learning_rate: 0.002}}. All other keys are those of training.",
    )


@dataclass(frozen=True)
class Evaluation:
    """When and on what clients are measured."""

    every: int = key(1, "Evaluate after every so many rounds; the last round always.", within=">= 1")
    batch_size: int = key(100, "Images per batch.", within=">= 1")
    neighbours: str = key(
        "last",
        "When to measure each client's model on all other clients' test images too: in the rounds the headline "
        "averages, in every evaluated round, or never.",
        "last",
        "always",
        "never",
    )
    references: list[Reference] = key(
        list,
        "Other methods trained on the same clients for comparison, for example [local]. One with settings of its own: "
        "[{name: promptfl, training: {batch_size: 8}}]. The scenario's method is passed over.",
    )
    last: int = key(
        0,
        "The headline is the mean over so many last evaluated rounds; 0: as many as the method's paper.",
        within=">= 0",
    )

    @property
    def reference_names(self) -> list[str]:
        """Returns the names of the references, in order."""
        return [reference.name for reference in self.references]

    def training_of(self, reference: str, training: Training) -> Training:
        """Finds how a reference is trained.

        Args:
            reference: The reference's name.
            training: The scenario's section.

        Returns:
            The section, with the reference's own keys where it has some.
        """
        own = next((entry.training for entry in self.references if entry.name == reference), None)
        return own.laid_over(training) if own else training
