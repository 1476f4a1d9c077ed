"""Features that are computed once for clients that are measured with the same prompt."""

from pathlib import Path
from typing import Any

import pytest
import torch

import fedsilo.models.prompts.frozen_model
from fedsilo.methods.local import Local
from fedsilo.methods.promptfl import PromptFL
from fedsilo.models.prompts.frozen_model import RecentFeatures


def test_equal_contexts_give_the_tensor_that_was_computed_and_others_their_own() -> None:
    made: list[Any] = []

    def of(latest: RecentFeatures, contexts: torch.Tensor, how: str = "end") -> torch.Tensor:
        return latest.recall(how, (contexts,), lambda: made.append(how) or contexts + 1)  # type: ignore[func-returns-value]

    latest, contexts = RecentFeatures(), torch.zeros(2, 3)
    of(latest, contexts)
    assert len(made) == 1  # gradients are wanted: nothing is kept
    with torch.no_grad():
        first = of(latest, contexts)
        assert of(latest, torch.zeros(2, 3)) is first
        contexts[0, 0] = 5.0  # what was kept is a copy
        changed = of(latest, contexts)
        assert changed[0, 0] == 6.0
        for other in (torch.zeros(2, 3), -torch.zeros(2, 3), torch.zeros(2, 3).double(), torch.zeros(3, 2)):
            assert of(latest, other) is not changed
        last = of(latest, torch.zeros(3, 2))
        assert of(latest, torch.zeros(3, 2), "apart") is not last
    count = len(made)
    of(latest, torch.zeros(3, 2), "apart")
    assert len(made) == count + 1


@pytest.mark.parametrize(("method", "encoded"), [(PromptFL(context_length=3), 1), (Local(context_length=3), 3)])
def test_clients_with_one_prompt_are_measured_with_one_encoding(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Any, encoded: int
) -> None:
    encode, calls = fedsilo.models.prompts.frozen_model.encode_prompts, []

    def counting(*given: Any) -> Any:
        calls.append(torch.is_grad_enabled())
        return encode(*given)

    here = world(rounds=1, seed=77)  # the model is kept for all tests: no other has seen these prompts
    monkeypatch.setattr(fedsilo.models.prompts.frozen_model, "encode_prompts", counting)
    counted = here.federate(method, tmp_path / "counted")
    assert calls.count(False) == encoded
    monkeypatch.setattr(RecentFeatures, "recall", lambda self, how, contexts, compute: compute())
    again = here.federate(method, tmp_path / "again")
    results = [(one.shared_sha256, one.private_sha256, one.scores) for one in (counted, again)]
    assert results[0] == results[1]
