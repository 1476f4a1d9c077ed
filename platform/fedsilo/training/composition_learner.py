"""The base of learners of compositions: a table of learned words, contexts in front of it, and the trained pairs.

Source: Nayak et al., "Learning to Compose Soft Prompts for Compositional Zero-Shot Learning", ICLR 2023,
arXiv:2204.03574 (CSP).

The loss compares the pairs that any client of the federation trains on: a server knows their names and no numbers. With
`loss_over: own` it compares the client's own pairs.

Dimensions: b images, K pairs, S pairs that are trained on, A attributes, O objects, L context tokens, W text width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from fedsilo.core.batch import CLASS, Batch
from fedsilo.core.config_fields import key
from fedsilo.core.errors import ClientError
from fedsilo.core.frozen import Frozen
from fedsilo.core.round_work import LocalWork
from fedsilo.core.task import Task
from fedsilo.core.types import State
from fedsilo.models.prompts.compositions import PARTS, PairNumbers, require_pairs, start_table
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ONE_IMAGE, ModuleLearner

TABLE, CONTEXTS, OWN_PAIRS = "table", "contexts", "own_pairs"
ALL, OWN = "all", "own"


class SoftWords(nn.Module):
    """A table of words (A + O, W), and a context (L, W) for each family of prompts."""

    def __init__(self, sizes: ModelSizes, families: tuple[str, ...], length: int) -> None:
        """Builds table and contexts, to be filled with the embeddings of words.

        Args:
            sizes: Sizes of the frozen model.
            families: Families of prompts whose context is trained.
            length: L.
        """
        super().__init__()
        self.table = nn.Parameter(torch.zeros(sizes.attributes + sizes.objects, sizes.width))
        if families:
            self.contexts = nn.ParameterDict({name: torch.zeros(length, sizes.width) for name in families})


@dataclass(frozen=True)
class CompositionLearner(ModuleLearner):
    """A learner with a vector for each attribute and each object."""

    context_words: str = key("a photo of", "Words in front of an attribute and an object; contexts start from them.")
    dropout: float = key(0.3, "Share of the numbers of the table of words that a step leaves out.", within="in [0, 1)")
    loss_over: str = key(
        ALL, "Pairs that the training loss compares: all that clients train on, or the client's own.", ALL, OWN
    )
    local_parts: tuple[str, ...] = key(
        (), "Parts that stay with their client, with their running statistics: beginnings of names, such as table."
    )

    @abstractmethod
    def objective(self, module: nn.Module, batch: Batch, frozen: Frozen, pairs: PairNumbers) -> Tensor:
        """Computes the mean loss of a batch.

        Args:
            module: The module with its weights in place, in training mode.
            batch: The examples (b, ...).
            frozen: The frozen model.
            pairs: The pairs that are compared.

        Returns:
            The loss, shape ().
        """

    @property
    def families(self) -> tuple[str, ...]:
        """Returns the families of prompts whose context is trained: none by default."""
        return ()

    @property
    def phrases(self) -> tuple[str, ...]:
        """Returns the words of the context."""
        return (self.context_words,)

    @property
    def reads_names(self) -> bool:
        """Returns False: it has vectors for attributes and objects, and reads no other names."""
        return False

    @property
    def rows(self) -> Mapping[str, tuple[str, ...]]:
        """Returns the parameters with one row for each attribute or object: the table, attributes first."""
        return {TABLE: PARTS} if TABLE in self.names() else {}

    @property
    def groups(self) -> tuple[str, ...]:
        """Returns the parts that the parameters belong to, as `local_parts` names them."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.names()))

    @property
    def personal(self) -> tuple[str, ...]:
        """Returns the parameters of the parts that stay with their client."""
        return tuple(name for name in self.names() if self._stays(name))

    @property
    def statistics(self) -> tuple[str, ...]:
        """Returns the running means and variances of the parts that travel."""
        return tuple(name for name in super().statistics if not self._stays(name))

    @property
    def entangled(self) -> str:
        """Returns why examples meet, and what to change."""
        if not self._records:
            return super().entangled
        return (
            "compares the pairs of all images of a client in its loss, so that one image changes the gradients of the "
            "others. Use loss_over: all, or the unit 'client'"
        )

    def problems(self) -> list[str]:
        """Lists impossible values of the fields: parts that the learner does not have."""
        found = super().problems()
        if not self.context_words.split():
            found.append("context_words: there are none. Give words, such as 'a photo of'.")
        if found:
            return found
        unknown = [part for part in self.local_parts if part not in self.groups]
        known = ", ".join(self.groups)
        return [f"local_parts: {part!r} is no part of this learner. Name some of {known}." for part in unknown]

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws the module's weights; the words start from their token embeddings, contexts from `context_words`.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            All parameters by name, the same for every client.

        Raises:
            BackboneError: The candidates are not composed of attributes and objects.
        """
        require_pairs(frozen)
        start = frozen.phrases[self.context_words]
        contexts = {f"{CONTEXTS}.{family}": start.clone() for family in self.families}
        drawn = dict(super().init(frozen, seed, client))
        if TABLE in drawn:
            drawn[TABLE] = start_table(frozen)
        return {**drawn, **contexts}

    def buffers(self, frozen: Frozen, seed: int, client: int) -> State:
        """Builds the module's buffers, and the mark of the client's own pairs where the loss reads it.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The buffers by name; a client that has not trained has all pairs.
        """
        marks = {OWN_PAIRS: torch.ones(len(frozen.candidates))} if self._records else {}
        return {**super().buffers(frozen, seed, client), **marks}

    def observe_data(self, work: LocalWork, buffers: State) -> State:
        """Marks the pairs of the client's images where the loss compares only these.

        Args:
            work: The client's work in one exchange.
            buffers: All buffers by name.

        Returns:
            The buffers, with the mark (S,) of 0 and 1.
        """
        if not self._records:
            return buffers
        own = torch.zeros(len(work.model.candidates))
        own[work.task.targets(work.labels, work.model.candidates)[CLASS]] = 1.0
        return {**buffers, OWN_PAIRS: own.to(work.model.device)}

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        """Computes the learner's objective over the trained pairs.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            batch: The examples (b, ...).
            frozen: The frozen model.
            task: The task.

        Returns:
            The mean loss, shape ().

        Raises:
            ClientError: A batch norm is trained on one image.
        """
        if len(batch) == 1 and self.batch_norms:
            raise ClientError(ONE_IMAGE)
        pairs = PairNumbers.of(frozen)
        if self._records:
            pairs = pairs.select(buffers[OWN_PAIRS])
        weights = {**buffers, **params}
        return self.run(lambda module: self.objective(module, batch, frozen, pairs), weights, frozen, training=True)

    def soften(self, module: nn.Module) -> Tensor:
        """Returns the table of words; in training with dropout, one mask for all that reads the result.

        Args:
            module: The module with its weights in place.

        Returns:
            (A + O, W).
        """
        return dropout(cast(Tensor, module.table), self.dropout, module.training)

    def build_words(self, sizes: ModelSizes) -> SoftWords:
        """Builds the table and the contexts of the learner's families.

        Args:
            sizes: Sizes of the frozen model.

        Returns:
            The module, with zeros.
        """
        return SoftWords(sizes, self.families, len(self.context_words.split()))

    def _stays(self, name: str) -> bool:
        return name.partition(".")[0] in self.local_parts

    @property
    def _records(self) -> bool:
        return self.loss_over == OWN
