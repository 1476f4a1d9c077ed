from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.methods.local import Local
from fedsilo.methods.promptfl import PromptFL
from fedsilo.methods.promptfolio import PromptFolio
from fedsilo.storage.run_folder import read_lines


def states(here: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    method = PromptFolio(context_length=3)
    shared, private = method.initial_shared(here.model, 0), method.initial_private(here.model, 0, 0)
    # Far apart, as after training.
    return {"context": 20 * shared["context"]}, {"private_context": 20 * private["private_context"]}


@pytest.mark.parametrize("theta", [0.0, 0.2, 0.4, 1.0])
def test_scores_are_the_mixture_of_both_contexts_scores(world: Any, theta: float) -> None:
    here = world()
    shared, private = states(here)
    pooled = here.warehouse.test.batch(np.arange(9), 0)["image"]
    common = PromptFL(context_length=3).predictor(here.model, shared, {})({"image": pooled})
    own = Local(context_length=3).predictor(here.model, {}, {"context": private["private_context"]})({"image": pooled})
    mixed = PromptFolio(context_length=3, theta=theta).predictor(here.model, shared, private)({"image": pooled})
    # Linear in the features: true only if the mixture is not normalised again.
    torch.testing.assert_close(mixed, (1 - theta) * common + theta * own, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(common, own, atol=0.1)


@pytest.mark.parametrize(
    ("theta", "trained", "untouched"), [(0.0, "context", "private_context"), (1.0, "private_context", "context")]
)
def test_at_the_ends_one_context_alone_is_trained_as_promptfl_and_local_would(
    world: Any, theta: float, trained: str, untouched: str
) -> None:
    here = world()
    shared, private = states(here)
    method, alone = PromptFolio(context_length=3, theta=theta), Local(context_length=3)
    work = here.work(method, shared=shared, private=private)
    value, gradients = method.local(work).gradients({**shared, **private}, work.batch(0))
    at = {"context": {**shared, **private}[trained]}
    expected, expected_gradient = alone.local(work).gradients(at, work.batch(0))
    assert value == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradients[trained], expected_gradient["context"], rtol=1e-4, atol=1e-5)
    assert not gradients[untouched].any()


def test_both_contexts_learn_from_one_loss(world: Any) -> None:
    here, method = world(), PromptFolio(context_length=3)
    work = here.work(method)
    result = method.train(work)
    assert not torch.equal(result.upload["context"], work.shared["context"])
    assert not torch.equal(result.private["private_context"], work.private["private_context"])


def test_only_the_shared_context_goes_over_the_wire(world: Any, tmp_path: Path) -> None:
    outcome = world(rounds=2).federate(PromptFolio(context_length=3), tmp_path / "run")
    assert len(set(outcome.private_sha256)) == 3
    lines = read_lines(tmp_path / "run" / "wire.jsonl")
    assert {name for line in lines for name in line["tensors"]} == {"context"}
