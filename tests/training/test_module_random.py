"""Draws of modules: repeated, the same for all examples, left out, or noted."""

import torch
from torch import nn
from torch.nn import functional

from fedsilo.training.module_random import OneDraw, make_rewinder, watch_other_draws


def test_after_a_rewind_the_same_draws_follow() -> None:
    rewind = make_rewinder("cpu")
    first = torch.rand(4)
    assert not torch.equal(torch.rand(4), first)
    rewind()
    assert torch.equal(torch.rand(4), first)


def test_dropout_has_one_mask_for_all_examples_which_is_that_of_an_example_alone() -> None:
    rewind = make_rewinder("cpu")
    rows = torch.arange(1.0, 61.0).reshape(3, 20)
    with OneDraw():
        together = functional.dropout(rows, 0.5)
        rewind()
        alone = functional.dropout(rows[2:], 0.5)
        unchanged = nn.Dropout(0.5).eval()(rows)
    factors = together / rows
    assert set(factors.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(factors, factors[:1].expand(3, 20))
    assert torch.equal(together[2:], alone)
    assert torch.equal(unchanged, rows)


def test_other_draws_are_noted_and_dropout_is_left_out() -> None:
    rows = torch.ones(2, 30)
    with watch_other_draws() as watch:
        kept = nn.Dropout(0.9)(rows)
        assert not watch.seen
        torch.bernoulli(torch.full((2,), 0.5))
    assert torch.equal(kept, rows)
    assert watch.seen
