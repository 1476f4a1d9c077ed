"""Recipes: a learner under a strategy, with a paper's defaults, as the method that the engine runs."""

from __future__ import annotations

import dataclasses
import math
import sys
import typing
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fedsilo.core.config_fields import DEFINES
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import MEMORY, SERVER, LocalResult
from fedsilo.core.method import Method, Predictor
from fedsilo.core.strategy import Strategy
from fedsilo.core.types import State
from fedsilo.core.work import LocalWork, ServerWork
from fedsilo.training.local_training import LocalTraining
from fedsilo.training.loss import Loss


@dataclass(frozen=True)
class Recipe(Method):
    """A learner under a strategy."""

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
        """Returns what is impossible in the fields, alone and together."""
        learner, strategy = self.learner, self.strategy
        alone = [*learner.problems(), *strategy.problems()]
        return alone or strategy.refusals(learner)

    @property
    def uploads(self) -> tuple[str, ...]:
        """Returns the names of the parameters, statistics and extras that a client sends."""
        learner, strategy = self.learner, self.strategy
        return (*strategy.shared(learner), *strategy.statistics(learner), *strategy.extras(learner))

    @property
    def trains(self) -> bool:
        """Returns whether there is anything to learn."""
        return self.learner.trains

    @property
    def reads_updates(self) -> bool:
        """Returns whether the server needs each client's update in the clear."""
        return self.strategy.reads_updates

    @property
    def separable(self) -> bool:
        """Returns whether the loss of an example depends on that example alone."""
        return self.learner.separable and self.strategy.separable

    @property
    def reads(self) -> frozenset[str]:
        """Returns the columns of inputs that the learner reads."""
        return self.learner.reads

    @property
    def needs_image_blocks(self) -> int | None:
        """Returns the first block of the image tower that the learner runs itself."""
        return self.learner.needs_image_blocks

    @property
    def entangled(self) -> str:
        """Returns why the learner's examples hang together."""
        return self.learner.entangled

    @property
    def uploads_gradients(self) -> bool:
        """Returns whether every batch's gradient is sent."""
        return self.strategy.uploads_gradients and bool(self.uploads)

    @property
    def uniform(self) -> bool:
        """Returns whether clients count alike in the mean."""
        return self.strategy.uniform and bool(self.uploads)

    @property
    def personal(self) -> bool:
        """Returns whether clients learn parameters that never leave them."""
        learner = self.learner
        return bool(set(self.strategy.kept(learner)) - set(self.strategy.shared(learner)))

    @property
    def reads_names(self) -> bool:
        """Returns whether what was learned works with the names of other classes."""
        return self.learner.reads_names

    @property
    def streams(self) -> int:
        """Returns how many gradients a batch is turned into."""
        return self.learner.streams

    @property
    def allows_stale(self) -> bool:
        """Returns whether late updates can be added: results of a round's training, merely averaged."""
        strategy = self.strategy
        averages = type(self).server_step is Recipe.server_step and strategy.averages
        return averages and not strategy.reads_updates and strategy.exchanges(2) == 1

    @property
    def phrases(self) -> tuple[str, ...]:
        """Returns texts whose token embeddings the learner asks for."""
        return self.learner.phrases

    def initial_shared(self, model: Frozen, seed: int) -> State:
        """Returns the coordinator's state before round 0."""
        learner = self.learner
        return self.strategy.initial_shared(_everything(learner, model, seed, 0), learner, seed)

    def initial_private(self, model: Frozen, seed: int, client: int) -> State:
        """Returns a client's own state before round 0."""
        learner = self.learner
        return self.strategy.initial_private(_everything(learner, model, seed, client), learner)

    def exchanges(self, batches: int) -> int:
        """Returns the exchanges of a round whose longest client has so many batches."""
        return self.strategy.exchanges(batches)

    def download(self, shared: State, client: int) -> State:
        """Returns what one client receives of the shared state."""
        return self.strategy.download(shared, client)

    def train(self, work: LocalWork) -> LocalResult:
        """Returns what one client learns in one exchange; nothing where there is nothing to learn."""
        if not self.trains:
            return LocalResult(upload={}, private={}, loss=math.nan, steps=0)
        return self.strategy.train(self.local(work))

    def local(self, work: LocalWork) -> LocalTraining:
        """Returns what a client trains with, its buffers with what the learner notes of its data."""
        learner = self.learner
        buffers = _buffers(learner, {**work.private, **work.shared})
        noted = learner.observe_data(work, {name: buffers[name] for name in buffers if name in work.private})
        work = dataclasses.replace(work, private={**work.private, **noted})
        return LocalTraining(work, learner, {**buffers, **noted})

    def loss(self, work: LocalWork) -> Loss:
        """Returns the loss at the parameters that a client's work begins with."""
        local = self.local(work)
        everything = self.strategy.together(work.shared, work.private, local.learner)
        start = {name: everything[name] for name in local.learner.names()}
        return Loss.at(local.learner, local.work, start, local.buffers)

    def server_step(self, work: ServerWork) -> State:
        """Returns the next shared state."""
        return self.strategy.server_step(work, self.learner)

    def adapt(self, work: LocalWork) -> State:
        """Returns the private state that an evaluation is made with."""
        return self.strategy.adapt(self.local(work))

    def private_for_new_classes(self, model: Frozen, private: State) -> State:
        """Returns the private state as it serves a model with other classes."""
        learner = self.learner
        return {**private, **learner.for_other_candidates(model, _buffers(learner, private))}

    def predictor(self, model: Frozen, shared: State, private: State) -> Predictor:
        """Returns the scores of the model that the client is served."""
        learner = self.learner
        everything = self.strategy.serve(shared, private, learner)
        params, buffers = {name: everything[name] for name in learner.names()}, _buffers(learner, everything)
        return lambda inputs: learner.scores(params, buffers, inputs, model)


def _everything(learner: Learner, model: Frozen, seed: int, client: int) -> State:
    return {**learner.init(model, seed, client), **learner.buffers(model, seed, client)}


def _buffers(learner: Learner, state: State) -> dict[str, Any]:
    """What of a state is neither a parameter of the learner nor an optimizer's."""
    names = set(learner.names())
    return {n: tensor for n, tensor in state.items() if n not in names and not n.startswith((MEMORY, SERVER))}


def recipe(
    name: str, summary: str, learner: type[Learner], strategy: type[Strategy], headline: int = 5, **usual: Any
) -> Any:
    """Returns the class of a method whose keys are those of a learner and a strategy.

    Args:
        name: The class's name; noise keys are made from it, so it must not change.
        summary: One line for `fedsilo list`.
        learner: The learner's class.
        strategy: The strategy's class.
        headline: Evaluated rounds that the headline averages.
        usual: The paper's values of keys, where they are not the learner's or the strategy's own; as a reference the
            method keeps them, whatever the scenario's own method has.
    """
    parts: tuple[Any, ...] = (learner, strategy)
    fields = [_field(cls, field, usual) for cls in parts for field in dataclasses.fields(cls) if field.init]
    module = sys._getframe(1).f_globals["__name__"]
    made = dataclasses.make_dataclass(
        name,
        fields,
        bases=(Recipe,),
        frozen=True,
        namespace={
            "__doc__": summary,
            "__module__": module,
            "headline_rounds": headline,
            "learner": cached_property(lambda self: _part(learner, self)),
            "strategy": cached_property(lambda self: _part(strategy, self)),
        },
    )
    made.__module__ = module
    return made


def _field(cls: type[Any], field: dataclasses.Field[Any], usual: dict[str, Any]) -> tuple[str, Any, Any]:
    """A field of a part as a field of the recipe."""
    default: Any = usual.get(field.name, field.default)
    factory = dataclasses.MISSING if field.name in usual else field.default_factory
    kind = typing.get_type_hints(cls)[field.name]
    metadata = {**field.metadata, DEFINES: True} if field.name in usual else field.metadata
    if factory is not dataclasses.MISSING:
        return field.name, kind, dataclasses.field(default_factory=factory, metadata=metadata)
    return field.name, kind, dataclasses.field(default=default, metadata=metadata)


def _part(cls: type[Any], whole: Any) -> Any:
    return cls(**{field.name: getattr(whole, field.name) for field in dataclasses.fields(cls) if field.init})
