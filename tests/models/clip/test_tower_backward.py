from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.conversion import extract_text_tower
from fedsilo.models.clip.recorded_forward import record
from fedsilo.models.clip.text_tower import TextTower, encode_prompts
from fedsilo.models.clip.tower_backward import ExamplePairs, pull_back

LENGTHS = (3, 1, 5, 2, 3)
SHAPE = {"vocab_size": 50, "width": 32, "heads": 4, "layers": 2}
OPTIONS = [
    ({}, {}),
    ({"layers": 1}, {}),
    ({"layers": 3, "heads": 1}, {}),
    ({}, {"custom": True, "quick_gelu": True}),
    ({"proj_bias": True, "norm_kwargs": {"eps": 1e-3}}, {"custom": True}),
    ({"proj_type": "none"}, {"custom": True}),
    ({"act_kwargs": {"approximate": "tanh"}, "mlp_ratio": 3.0, "ls_init_value": 0.3}, {}),
]


@dataclass(frozen=True, eq=False)
class Case:
    """A tower in fp64, classes and a context."""

    tower: TextTower
    classes: ClassTokens
    context: Tensor

    @classmethod
    def make(cls, model: Any, lengths: tuple[int, ...] = LENGTHS, length: int = 4) -> Case:
        tower, generator = extract_text_tower(model), torch.Generator().manual_seed(3)
        tower = TextTower(tower.meta, {name: tensor.double() for name, tensor in tower.tensors().items()})

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        classes = ClassTokens(draw(sum(lengths), tower.width), lengths, draw(tower.width))
        return cls(tower, classes, draw(length, tower.width).requires_grad_())

    def cotangents(self, examples: int) -> Tensor:
        """(B, K, D)."""
        width = encode_prompts(self.tower, self.classes, self.context).shape[1]
        generator = torch.Generator().manual_seed(4)
        return torch.randn(examples, len(self.classes), width, generator=generator, dtype=torch.float64)

    def expected(self, cotangents: Tensor) -> Tensor:
        """Each example by autograd through `encode_prompts`."""
        features = encode_prompts(self.tower, self.classes, self.context)
        found = [torch.autograd.grad(features, self.context, each, retain_graph=True)[0] for each in cotangents]
        return torch.stack(found)

    def gradients(self, cotangents: Tensor, kept: Tensor) -> Tensor:
        owner, classes = kept.nonzero(as_tuple=True)
        recording = record(self.tower, self.classes, self.context)
        return pull_back(recording, ExamplePairs(classes, kept.sum(dim=1).tolist()), cotangents[owner, classes])


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


def test_recording_refuses_what_the_tower_refuses(build: Callable[..., Any]) -> None:
    case = Case.make(build(SHAPE))
    with pytest.raises(BackboneError, match="48 numbers, the text tower takes 32"):
        record(case.tower, case.classes, torch.zeros(4, 48, dtype=torch.float64))
    with pytest.raises(BackboneError, match="need 86 positions, the text tower has 77"):
        record(case.tower, case.classes, torch.zeros(80, 32, dtype=torch.float64))
