"""Recipes: a learner under a strategy, with a paper's defaults, as the method that the engine runs."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import MEMORY, SERVER, LocalResult
from fedsilo.core.method import Method, Predictor
from fedsilo.core.round_work import LocalWork, ServerWork
from fedsilo.core.strategy import Strategy
from fedsilo.core.types import State
from fedsilo.training.local_training import LocalTraining
from fedsilo.training.loss import Loss


def _says(part: str, name: str) -> Any:
    """A property of a method that is what one of its parts says under the same name."""
    return property(attrgetter(f"{part}.{name}"))


@dataclass(frozen=True)
class Recipe(Method):
    """A learner under a strategy: what the engine asks a method (`core.method`), each of the two says."""

    trains = _says("learner", "trains")
    reads = _says("learner", "reads")
    needs_image_blocks = _says("learner", "needs_image_blocks")
    phrases = _says("learner", "phrases")
    reads_names = _says("learner", "reads_names")
    entangled = _says("learner", "entangled")
    streams = _says("learner", "streams")
    reads_updates = _says("strategy", "reads_updates")

    @property
    @abstractmethod
    def learner(self) -> Learner:
        """Returns the learner, with this method's keys."""

    @property
    @abstractmethod
    def strategy(self) -> Strategy:
        """Returns the strategy, with this method's keys."""

    @property
    def parts(self) -> tuple[Learner, Strategy]:
        """Returns the learner and the strategy."""
        return self.learner, self.strategy

    def problems(self) -> list[str]:
        """Lists impossible values of the fields, alone and together."""
        learner, strategy = self.learner, self.strategy
        alone = [*learner.problems(), *strategy.problems()]
        return alone or strategy.refusals(learner)

    @cached_property
    def uploads(self) -> tuple[str, ...]:
        """The names of the parameters, statistics and extras that a client sends."""
        learner, strategy = self.learner, self.strategy
        return (*strategy.shared(learner), *strategy.statistics(learner), *strategy.extras(learner))

    @property
    def separable(self) -> bool:
        """Returns whether the loss of an example depends on that example alone."""
        return self.learner.separable and self.strategy.separable

    @cached_property
    def uploads_gradients(self) -> bool:
        """Whether every batch's gradient is sent."""
        return self.strategy.uploads_gradients and bool(self.uploads)

    @cached_property
    def uniform(self) -> bool:
        """Whether all clients have the same weight in the mean."""
        return self.strategy.uniform and bool(self.uploads)

    @property
    def personal(self) -> bool:
        """Returns whether clients learn parameters that never leave them."""
        learner = self.learner
        return bool(set(self.strategy.kept(learner)) - set(self.strategy.shared(learner)))

    @property
    def allows_stale(self) -> bool:
        """Returns whether late updates can be added: results of a round's training that are only averaged."""
        strategy = self.strategy
        averages = type(self).server_step is Recipe.server_step and strategy.averages
        return averages and not strategy.reads_updates and strategy.exchanges(2) == 1

    def initial_shared(self, model: Frozen, seed: int) -> State:
        """Builds the coordinator's state before round 0.

        Args:
            model: The frozen model.
            seed: The scenario's seed.

        Returns:
            Tensors by name.
        """
        learner = self.learner
        return self.strategy.initial_shared(_everything(learner, model, seed, 0), learner, seed)

    def initial_private(self, model: Frozen, seed: int, client: int) -> State:
        """Builds a client's own state before round 0.

        Args:
            model: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            Tensors by name.
        """
        learner = self.learner
        return self.strategy.initial_private(_everything(learner, model, seed, client), learner)

    def exchanges(self, batches: int) -> int:
        """Counts the exchanges of a round.

        Args:
            batches: Batches of the client with the most.

        Returns:
            1, or a number per batch where gradients are sent.
        """
        return self.strategy.exchanges(batches)

    def download(self, shared: State, client: int) -> State:
        """Selects what one client receives of the shared state.

        Args:
            shared: The coordinator's state by name.
            client: The client's number, from 0.

        Returns:
            Tensors by name.
        """
        return self.strategy.download(shared, client)

    def train(self, work: LocalWork) -> LocalResult:
        """Trains one client in one exchange; does nothing where there is nothing to train.

        Args:
            work: The client's work in one exchange.

        Returns:
            The upload, the new private state, the mean loss and the number of steps.
        """
        if not self.trains:
            return LocalResult(upload={}, private={}, loss=math.nan, steps=0)
        return self.strategy.train(self.local(work))

    def local(self, work: LocalWork) -> LocalTraining:
        """Builds the client's training; its buffers contain what the learner records of the client's data.

        Args:
            work: The client's work in one exchange.

        Returns:
            The training of this exchange.
        """
        learner = self.learner
        buffers = _buffers(learner, {**work.private, **work.shared})
        noted = learner.observe_data(work, {name: buffers[name] for name in buffers if name in work.private})
        work = dataclasses.replace(work, private={**work.private, **noted})
        return LocalTraining(work, learner, {**buffers, **noted})

    def loss(self, work: LocalWork) -> Loss:
        """Builds the loss at the parameters that a client's work begins with.

        Args:
            work: The client's work in one exchange.

        Returns:
            The loss.
        """
        local = self.local(work)
        everything = self.strategy.together(work.shared, work.private, local.learner)
        start = {name: everything[name] for name in local.learner.names()}
        return Loss.at(local.learner, local.work, start, local.buffers)

    def server_step(self, work: ServerWork) -> State:
        """Computes the next shared state, with repaired statistics.

        Args:
            work: What the server knows of the exchange.

        Returns:
            The shared state.
        """
        learner = self.learner
        stepped = self.strategy.server_step(work, learner)
        return {**stepped, **learner.repaired(stepped)}

    def adapt(self, work: LocalWork) -> State:
        """Adapts a client's private state before an evaluation.

        Args:
            work: The client's work in one exchange.

        Returns:
            The private state by name.
        """
        return self.strategy.adapt(self.local(work))

    def private_for_new_classes(self, model: Frozen, private: State) -> State:
        """Converts a private state for a model with other classes.

        Args:
            model: The frozen model with the other classes.
            private: The client's private state by name.

        Returns:
            The private state by name.
        """
        learner = self.learner
        return {**private, **learner.for_other_candidates(model, _buffers(learner, private))}

    def predictor(self, model: Frozen, shared: State, private: State) -> Predictor:
        """Builds the function that scores images with a client's model.

        Args:
            model: The frozen model.
            shared: What the client received, by name.
            private: The client's private state by name.

        Returns:
            Columns of inputs -> scores (b, K).
        """
        learner = self.learner
        everything = self.strategy.serve(shared, private, learner)
        params, buffers = {name: everything[name] for name in learner.names()}, _buffers(learner, everything)
        return lambda inputs: learner.scores(params, buffers, inputs, model)


def _everything(learner: Learner, model: Frozen, seed: int, client: int) -> State:
    return {**learner.init(model, seed, client), **learner.buffers(model, seed, client)}


def _buffers(learner: Learner, state: State) -> dict[str, Any]:
    """Returns the tensors of a state that are neither parameters of the learner nor an optimizer's."""
    names = set(learner.names())
    return {n: tensor for n, tensor in state.items() if n not in names and not n.startswith((MEMORY, SERVER))}
