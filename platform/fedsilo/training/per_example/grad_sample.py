"""Gradients of single examples by opacus' `GradSampleModule`: one forward and one backward of a module for all.

Opacus keeps what enters a layer and the gradient by what leaves it, and multiplies the two example by example. That is
right where every trained parameter belongs to a layer for which opacus has a rule, where each of these layers sees one
row per example, and where nothing is drawn but dropout: another draw would be one for the whole batch, so that what an
example gets depends on its place in it. The first is read off the module, the others are found out by a forward
without memory for two sizes of a batch.

Source: Yousefpour et al., "Opacus: User-Friendly Differential Privacy Library in PyTorch", arXiv:2109.12298. Opacus
ignores `padding_mode` of convolutions and fails for a LayerNorm without bias; such modules take the general path.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from fedsilo.core.batch import Batch, Columns
from fedsilo.core.learner import Learner
from fedsilo.core.seeds import draw_from
from fedsilo.core.types import State
from fedsilo.training.loss import Loss
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ModuleLearner, build_skeleton
from fedsilo.training.module_random import OneDraw, watch_other_draws

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.GroupNorm, nn.LayerNorm, nn.Embedding)
"""Layers that opacus has a rule for and that are used here."""

PROBED = (3, 5)
"""Batch sizes for the check that a layer sees one row per example."""


def fits_opacus(loss: Loss, batch: Batch) -> bool:
    """Checks that opacus' gradients are right: the scores are the module's own output, and its layers are known.

    The answer depends on the learner and on shapes, not on data.

    Args:
        loss: The loss at one point.
        batch: A batch of at least one example.

    Returns:
        Whether they are right.
    """
    learner = loss.learner
    if not isinstance(learner, ModuleLearner) or loss.contrast is not None:
        return False
    shapes = tuple((name, tuple(column.shape[1:]), column.dtype) for name, column in batch.inputs.items())
    return _check_support(learner, ModelSizes.of(loss.work.model), shapes)


def differentiate_with_opacus(loss: Loss, leaves: State, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Computes each example's loss and gradient with opacus.

    Args:
        loss: The loss at one point, of a learner that opacus supports.
        leaves: The tensors that gradients are taken by: the module's parameters.
        batch: At least one example.

    Returns:
        The losses (b,), and the gradients (b, *shape) by leaf.
    """
    learner, work = loss.learner, loss.work
    assert isinstance(learner, ModuleLearner)
    first = next(iter(leaves.values()))
    wrapped = _wrap(learner, ModelSizes.of(work.model), first.device, first.dtype)
    parameters = {learner.in_state(name): p for name, p in wrapped._module.named_parameters()}
    _place(learner, wrapped._module, parameters, leaves, loss.buffers)
    try:
        with OneDraw(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
            scores = learner.call(wrapped, batch.inputs, work.model, loss.buffers)
            losses = work.task.losses(scores, batch.targets, work.model.candidates)
            losses.sum().backward()  # type: ignore[no-untyped-call]
        found = {name: _take_gradients(parameters[name], len(batch)) for name in leaves}
    except BaseException:
        _wrap.cache_clear()  # opacus counts the calls of layers; an interrupted count would stay
        raise
    wrapped.zero_grad(set_to_none=True)
    return losses.detach(), found


def _take_gradients(parameter: Any, examples: int) -> Tensor:
    """Returns a parameter's gradients by example; zeros where the loss does not depend on it."""
    found: Tensor | None = parameter.grad_sample
    return parameter.new_zeros(examples, *parameter.shape) if found is None else found.detach()


@torch.no_grad()
def _place(
    learner: ModuleLearner, module: nn.Module, parameters: Mapping[str, Tensor], leaves: State, buffers: State
) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(leaves[name])
    for name, buffer in module.named_buffers():
        buffer.copy_(buffers[learner.in_state(name)])


@lru_cache(maxsize=8)
def _wrap(learner: ModuleLearner, sizes: ModelSizes, device: torch.device, dtype: torch.dtype) -> Any:
    """Wraps the learner's module, with memory for weights and in training mode, into opacus' module."""
    from opacus.grad_sample import GradSampleModule  # imported here: it takes a second, and few clients need it

    with draw_from(0):
        module = learner.module(sizes).to(device, dtype)
    return GradSampleModule(module.train(), loss_reduction="sum")


Shapes = tuple[tuple[str, tuple[int, ...], torch.dtype], ...]


@lru_cache(maxsize=64)
def _check_support(learner: ModuleLearner, sizes: ModelSizes, shapes: Shapes) -> bool:
    kind = type(learner)
    own_output = (kind.call, kind.scores, kind.loss) == (ModuleLearner.call, ModuleLearner.scores, Learner.loss)
    if not own_output:
        return False
    module = build_skeleton(learner, sizes)
    trained = [layer for layer in module.modules() if list(layer.parameters(recurse=False))]
    if not all(map(_has_rule, trained)):
        return False
    return all(_Probe(size, trained).sees_rows(learner, module, shapes) for size in PROBED)


def _has_rule(layer: nn.Module) -> bool:
    if type(layer) not in LAYERS or list(layer.buffers()):
        return False
    if isinstance(layer, _ConvNd) and layer.padding_mode != "zeros":
        return False
    return not isinstance(layer, nn.LayerNorm) or layer.bias is not None


@dataclass(frozen=True, eq=False, slots=True)
class _Probe:
    """A forward of some examples through a module on the meta device that watches its trained layers."""

    examples: int
    trained: list[nn.Module]

    def sees_rows(self, learner: ModuleLearner, module: nn.Module, shapes: Shapes) -> bool:
        """Whether each trained layer is given one row per example and nothing but that, and only dropout draws."""
        rows: list[bool] = []

        def watch(layer: nn.Module, given: tuple[Any, ...]) -> None:
            rows.append(len(given) == 1 and given[0].dim() > 1 and len(given[0]) == self.examples)

        handles = [layer.register_forward_pre_hook(watch) for layer in self.trained]
        try:
            with torch.no_grad(), watch_other_draws() as draws:
                learner.output(module.train(), self._inputs(shapes))
        except RuntimeError:
            # It does something by the numbers in a tensor: torch raises a RuntimeError, also for an
            # operator without a form on tensors without memory. No error of the learner is lost: the other ways run the
            # same forward, with numbers.
            return False
        finally:
            for handle in handles:
                handle.remove()
        return all(rows) and not draws.seen

    def _inputs(self, shapes: Shapes) -> Columns:
        return {name: torch.empty(self.examples, *s, dtype=d, device="meta") for name, s, d in shapes}
