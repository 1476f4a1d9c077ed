"""Attack models on the class probabilities that shadow models give to training images and to other images.

For every class a small network is trained on the probabilities that shadow models give to images of that class, with as
many members as non-members: K inputs, 32 rectified units, 2 outputs, Adam at 0.01 for 200 epochs of full batches. A
class with few images gets a logistic regression instead, trained in the same way.

Source: Shokri, Stronati, Song, Shmatikov, "Membership Inference Attacks Against Machine Learning Models", S&P 2017,
arXiv:1610.05820, with the network of DP-FPL (arXiv:2501.13904, appendix A.3). Their released network has a sigmoid
before the softmax of the cross-entropy, which only flattens it; it is left out.

Dimensions: n rows of the population, K classes, m answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim.adam import adam

from fedsilo.core.seeds import numpy_generator, torch_generator
from fedsilo.runs.audit.audited_images import Flags, Population
from fedsilo.runs.audit.model_scores import Observation, Scores

HIDDEN, EPOCHS, RATE = 32, 200, 0.01
ENOUGH = 100
"""Fewest answers of a class, members and non-members together, for a network."""

Network = tuple[Tensor, ...]
"""Weights and biases, layer by layer."""


@dataclass(frozen=True, slots=True)
class AttackModels:
    """The attack before training.

    Attributes:
        seed: Seed of the balancing and of the networks' initial weights.
    """

    seed: int
    name = "attack models"
    decides_at = 0.0

    def fit(self, references: Sequence[Observation], population: Population) -> FittedModels:
        """Trains a network per class.

        Args:
            references: Runs with known membership.
            population: The rows.

        Returns:
            The attack after training.
        """
        answers = np.concatenate([np.exp(seen.log_probabilities) for seen in references])
        members = np.concatenate([seen.members for seen in references])
        usable = np.concatenate([seen.sound & population.comparable for seen in references])
        labels = np.tile(population.labels, len(references))
        networks = {}
        for label in np.unique(population.labels[population.comparable]).tolist():
            chosen = self._balance(usable & (labels == label), members, label)
            if len(chosen):
                networks[label] = self._train(answers[chosen], members[chosen], label)
        return FittedModels(networks)

    def _balance(self, usable: Flags, members: Flags, label: int) -> Scores:
        """Rows of one class, with as many members as non-members."""
        generator = numpy_generator(self.seed, "audit balance", step=label)
        sides = [generator.permutation(np.flatnonzero(usable & side)) for side in (members, ~members)]
        fewer = min(map(len, sides))
        return np.concatenate([side[:fewer] for side in sides])

    def _train(self, answers: Scores, members: Flags, label: int) -> Network:
        inputs, targets = torch.from_numpy(answers).float(), torch.from_numpy(members.astype(np.int64))
        widths = [answers.shape[1], *([HIDDEN] if len(answers) >= ENOUGH else []), 2]
        network = _initialise(widths, torch_generator(self.seed, "audit network", step=label))
        means, squares = ([torch.zeros_like(part) for part in network] for _ in range(2))
        steps = [torch.zeros(()) for _ in network]
        for _ in range(EPOCHS):
            leaves = [part.detach().requires_grad_() for part in network]
            gradients = torch.autograd.grad(cross_entropy(_forward(leaves, inputs), targets), leaves)
            adam(
                list(network), list(gradients), means, squares, [], steps, foreach=False,
                amsgrad=False, beta1=0.9, beta2=0.999, lr=RATE, weight_decay=0.0, eps=1e-8, maximize=False,
            )  # fmt: skip
        return network


@dataclass(frozen=True, slots=True)
class FittedModels:
    """The attack after training.

    Attributes:
        networks: Networks by class; a class without training data has none.
    """

    networks: Mapping[int, Network]

    @torch.no_grad()
    def scores(self, seen: Observation, population: Population) -> Scores:
        """Scores the rows of a run.

        Args:
            seen: The run's models.
            population: The rows.

        Returns:
            Log odds (n,) of membership; 0 for classes without a network.
        """
        answers = torch.from_numpy(np.exp(seen.log_probabilities)).float()
        found = np.zeros(len(population))
        for label, network in self.networks.items():
            rows = np.flatnonzero(population.labels == label)
            outputs = _forward(network, answers[rows]).double().numpy()
            found[rows] = outputs[:, 1] - outputs[:, 0]
        return found


def _initialise(widths: Sequence[int], generator: torch.Generator) -> Network:
    """Initial weights as in torch.nn.Linear, drawn from a generator: uniform within 1/sqrt(inputs)."""
    parts = []
    for inputs, outputs in pairwise(widths):
        for shape in ((outputs, inputs), (outputs,)):
            parts.append((2 * torch.rand(shape, generator=generator) - 1) / inputs**0.5)
    return tuple(parts)


def _forward(network: Sequence[Tensor], inputs: Tensor) -> Tensor:
    """Outputs (m, 2) of a network."""
    for layer in range(0, len(network), 2):
        if layer:
            inputs = inputs.relu()
        inputs = inputs @ network[layer].T + network[layer + 1]
    return inputs
