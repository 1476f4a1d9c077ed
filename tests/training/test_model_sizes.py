"""Sizes that modules are built for, with and without attributes, objects and blocks of the image tower."""

from dataclasses import replace
from typing import Any

from fedsilo.training.model_sizes import ModelSizes


def test_sizes_are_those_of_the_model(toy_model: Any) -> None:
    assert ModelSizes.of(toy_model) == ModelSizes(5, 8, 16, 2, 3, 16, 2)


def test_what_a_model_does_not_have_is_0(toy_model: Any) -> None:
    assert ModelSizes.of(replace(toy_model, words={}, image=None)) == ModelSizes(5, 8, 16)
