"""The class of a method from a learner's class and a strategy's: whose keys it has, with which defaults."""

import dataclasses
from typing import Any

import pytest

from fedsilo.core.config_fields import DEFINES
from fedsilo.learners.coop import CoOpLearner
from fedsilo.strategies.fedprox import FedProxStrategy
from fedsilo.training.recipe_factory import recipe

USUAL: dict[str, Any] = {"context_length": 9, "mu": 0.25}
Made: Any = recipe("Made", "CoOp with a long leash.", CoOpLearner, FedProxStrategy, headline=7, **USUAL)


def keys_of(cls: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(cls) if field.init}


def test_its_keys_are_those_of_the_learner_and_the_strategy() -> None:
    assert list(keys_of(Made)) == [*keys_of(CoOpLearner), *keys_of(FedProxStrategy)]
    assert (Made.__name__, Made.__doc__, Made.__module__, Made.headline_rounds) == (
        "Made",
        "CoOp with a long leash.",
        __name__,
        7,
    )


def test_the_paper_s_values_are_defaults_that_define_it_and_the_others_are_as_before() -> None:
    made, theirs = keys_of(Made), {**keys_of(CoOpLearner), **keys_of(FedProxStrategy)}
    assert (Made().context_length, Made().mu) == (9, 0.25)
    for name, field in made.items():
        assert field.metadata.get(DEFINES, False) is (name in USUAL)
        assert field.metadata["help"] == theirs[name].metadata["help"]
        if name not in USUAL:
            assert field.default == theirs[name].default


def test_learner_and_strategy_have_the_values_of_the_method() -> None:
    method = Made(context_length=4, mu=0.5)
    assert method.learner == CoOpLearner(context_length=4)
    assert method.strategy == FedProxStrategy(mu=0.5)
    assert dataclasses.replace(method, mu=2.0).strategy.mu == 2.0
    with pytest.raises(TypeError):
        Made(no_such_key=1)
