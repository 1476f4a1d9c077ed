import pytest
import torch

from fedsilo.core.training_settings import Optimizer
from fedsilo.training.optimizer import Stepper


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_are_torch_s_own_bit_for_bit(kind: str, momentum: float) -> None:
    start = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    stepper = Stepper(Optimizer(kind, 0.1, momentum, 5e-4), {"p": ours}, {})
    reference: torch.optim.Optimizer
    if kind == "sgd":
        reference = torch.optim.SGD([theirs], lr=0.1, momentum=momentum, weight_decay=5e-4)
    else:
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        reference = kinds[kind]([theirs], lr=0.1, weight_decay=5e-4)
    for _ in range(5):
        for parameter in (ours, theirs):
            parameter.grad = None
            (parameter.sin() * parameter).sum().backward()
        stepper.step({"p": ours.grad}, 0.1)
        reference.step()
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_a_remembered_optimiser_goes_on_where_it_was(kind: str) -> None:
    section = Optimizer(kind, 0.1, state="kept")

    def walk(parts: tuple[int, ...]) -> torch.Tensor:
        parameter, memory = torch.linspace(-1, 1, 6).requires_grad_(), {}
        for steps in parts:
            stepper = Stepper(section, {"p": parameter}, memory)
            for _ in range(steps):
                parameter.grad = None
                parameter.square().sum().backward()
                stepper.step({"p": parameter.grad}, 0.1)
            memory = stepper.memory()
        return parameter.detach()

    assert torch.equal(walk((6,)), walk((2, 4)))
    assert Stepper(section, {}, {"p": torch.ones(1)}).memory() == {}
