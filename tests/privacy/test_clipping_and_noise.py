"""Clipping: a change is never longer than the norm, as a whole and as it is sent."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.privacy.clipping_and_noise import clip_change

NUMBER = st.floats(-1e6, 1e6, allow_nan=False, width=32)


@settings(max_examples=150, deadline=None)
@given(
    known=st.lists(NUMBER, min_size=1, max_size=6),
    change=st.lists(NUMBER, min_size=6, max_size=6),
    norm=st.floats(1e-6, 1e6),
    far=st.sampled_from([1e-6, 1.0, 1e4]),
)
def test_a_change_is_never_longer_than_the_norm_even_as_it_is_sent(
    known: list[float], change: list[float], norm: float, far: float
) -> None:
    before = {"a": far * torch.tensor(known), "b": torch.zeros(2, 2)}
    upload = {"a": before["a"] + torch.tensor(change[: len(known)]), "b": torch.full((2, 2), change[-1])}
    after = clip_change(upload, before, norm)
    length = math.sqrt(sum(float((after[n].double() - before[n].double()).square().sum()) for n in before))
    assert length <= norm
    assert all(after[name].dtype == torch.float32 for name in after)


def test_rounding_beside_large_numbers_does_not_make_a_clipped_change_longer_again() -> None:
    generator = torch.Generator().manual_seed(3)
    known = {"a": 100 * torch.randn(8192, generator=generator)}
    upload = {"a": known["a"] + torch.randn(8192, generator=generator)}
    after = clip_change(upload, known, 1e-3)
    assert float((after["a"].double() - known["a"].double()).norm()) <= 1e-3


def test_a_change_is_clipped_as_a_whole_and_small_ones_are_left_alone() -> None:
    known = {"a": torch.ones(3), "b": torch.zeros(2, 2)}
    upload = {"a": torch.tensor([1.0, 1.0, 4.0]), "b": torch.full((2, 2), 2.0)}
    change = {name: clip_change(upload, known, 1.0)[name] - known[name] for name in known}
    assert math.sqrt(sum(float((c**2).sum()) for c in change.values())) == pytest.approx(1.0, rel=1e-5)
    assert torch.allclose(change["a"] * 5, upload["a"] - known["a"], atol=1e-5)
    small = {"a": known["a"] + 0.1, "b": known["b"]}
    assert all(torch.equal(clip_change(small, known, 1.0)[name], small[name]) for name in small)
