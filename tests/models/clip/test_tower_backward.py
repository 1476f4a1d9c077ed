from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.models.clip.double_towers import LENGTHS, SHAPE, Case
from torch import Tensor

from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.recorded_forward import record
from fedsilo.models.clip.text_tower import TextTower, encode_prompts

OPTIONS = [
    ({}, {}),
    ({"layers": 1}, {}),
    ({"layers": 3, "heads": 1}, {}),
    ({}, {"custom": True, "quick_gelu": True}),
    ({"proj_bias": True, "norm_kwargs": {"eps": 1e-3}}, {"custom": True}),
    ({"proj_type": "none"}, {"custom": True}),
    ({"act_kwargs": {"approximate": "tanh"}, "mlp_ratio": 3.0, "ls_init_value": 0.3}, {}),
]


def error(value: Tensor, expected: Tensor) -> float:
    return float((value - expected).detach().norm() / expected.detach().norm())


@pytest.mark.parametrize(("text", "options"), OPTIONS)
def test_recorded_forward_and_its_backward_equal_autograd(
    build: Callable[..., Any], text: dict[str, Any], options: dict[str, Any]
) -> None:
    case = Case.make(build({**SHAPE, **text}, **options))
    features = record(case.tower, case.classes, case.context).features
    assert error(features, encode_prompts(case.tower, case.classes, case.context)) < 1e-12
    cotangents = case.cotangents(3)
    found = case.gradients(cotangents, torch.ones(3, len(LENGTHS), dtype=torch.bool))
    assert error(found, case.expected(cotangents)) < 1e-10


@pytest.mark.parametrize(("lengths", "length"), [((2,), 1), ((1, 1), 3), ((9, 1, 1), 2)])
def test_few_classes_and_short_contexts_work(build: Callable[..., Any], lengths: tuple[int, ...], length: int) -> None:
    case = Case.make(build(SHAPE), lengths, length)
    cotangents = case.cotangents(2)
    found = case.gradients(cotangents, torch.ones(2, len(lengths), dtype=torch.bool))
    assert error(found, case.expected(cotangents)) < 1e-10


@pytest.mark.parametrize("layers", [1, 2])
def test_only_the_chosen_classes_of_an_example_count(build: Callable[..., Any], layers: int) -> None:
    case = Case.make(build({**SHAPE, "layers": layers}))
    kept = torch.tensor([[1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    cotangents = case.cotangents(4)
    found = case.gradients(cotangents, kept)
    assert error(found, case.expected(cotangents * kept[:, :, None])) < 1e-10
    assert not found[1].any()


def test_an_example_that_is_not_finite_does_not_touch_the_others(build: Callable[..., Any]) -> None:
    case = Case.make(build(SHAPE))
    cotangents, kept = case.cotangents(3), torch.ones(3, len(LENGTHS), dtype=torch.bool)
    cotangents[0, 0, 0] = float("nan")
    found = case.gradients(cotangents, kept)
    assert not found[0].isfinite().any()
    assert error(found[1:], case.expected(cotangents[1:])) < 1e-10


def test_fp32_is_as_good_as_autograds(build: Callable[..., Any]) -> None:
    case = Case.make(build(SHAPE))
    single = Case(
        TextTower(case.tower.meta, {name: tensor.float() for name, tensor in case.tower.tensors().items()}),
        ClassTokens(case.classes.embeddings.float(), LENGTHS, case.classes.sos.float()),
        case.context.detach().float().requires_grad_(),
    )
    cotangents = case.cotangents(3)
    found = single.gradients(cotangents.float(), torch.ones(3, len(LENGTHS), dtype=torch.bool))
    assert found.dtype == torch.float32
    assert error(found, case.expected(cotangents)) < 1e-5
