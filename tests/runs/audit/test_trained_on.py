"""Images that were in a batch: equal to the batches that training requested."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.model_scores import prepare_observer
from fedsilo.runs.audit.trained_on import find_exposed
from fedsilo.simulation.feature_store import Subset


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Positions in the training split whose features a client asks for; evaluation does not go through a subset."""
    found: set[int] = set()
    batch = Subset.batch

    def noting(self: Subset, indices: Any, view: int) -> Any:
        found.update(self.positions[indices].tolist())
        return batch(self, indices, view)

    monkeypatch.setattr(Subset, "batch", noting)
    return found


@pytest.fixture(scope="module")
def model(small_run: Run, audit_cache: Path) -> FrozenModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(audit_cache))
        return prepare_observer(small_run, "client").prepared.model


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training": {"local_epochs": 2, "rounds": 2}},
        {"training": {"participation": 0.5, "rounds": 2}},
        {"method": {"name": "promptfl", "context_length": 1, "synchronise": "batch"}},
        {
            "method": {"name": "promptfl", "context_length": 1, "synchronise": "batch"},
            "partition": {
                "clients": 3,
                "label": {"name": "dirichlet", "beta": 0.3},
            },  # small clients repeat their images
        },
        {"method": {"name": "local", "context_length": 1}},
        {"training": {"batch_size": 7}},
        {
            "method": {"name": "promptfl", "context_length": 1, "synchronise": "batch"},
            "privacy": {"mode": "rigorous", "noise_multiplier": 1.0},
        },
    ],
    ids=["plain", "epochs", "participation", "batches", "short clients", "alone", "large batches", "Poisson batches"],
)
def test_exposed_is_what_training_asked_for(
    changes: dict[str, Any], run: Callable[..., Run], asked: set[int], model: FrozenModel
) -> None:
    done = run(**changes)
    found = find_exposed(done, model)
    assert {position for positions in found for position in positions.tolist()} == asked
    for share, positions in zip(done.manifest.shares(), found, strict=True):
        assert np.isin(positions, share.train).all()
    left = {"{}": 2 * 4, str({"training": {"batch_size": 7}}): 2 * 3}.get(str(changes))  # of 24 at each client
    assert left is None or len(done.manifest.held) - len(asked) == left


def test_who_was_in_no_batch_is_no_member_and_is_counted(audited: tuple[Run, dict[str, Any]]) -> None:
    run, document = audited
    target = prepare_observer(run, "client").observe_target()
    held = sum(len(client.train) for client in run.manifest.clients)
    assert int(target.exposed.sum()) == held - 8
    assert int((~target.sound).sum()) == 8
    assert document["members"] == held - 8
    assert document["left_out"]["trained_images_in_no_batch"] == 8
