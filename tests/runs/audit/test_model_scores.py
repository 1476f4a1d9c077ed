"""Model scores of an audit: their accuracies equal those of the run's last evaluation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedsilo.core.errors import RunError
from fedsilo.methods.zero_shot import ZeroShot
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import SHARED
from fedsilo.runs.audit.model_scores import Observer, prepare_observer

METHODS: list[dict[str, Any]] = [
    {"name": "promptfl", "context_length": 1},
    {"name": "local", "context_length": 1},
    {"name": "fedotp", "context_length": 1},
    {"name": "dpfpl", "context_length": 2, "rank": 1},
    {"name": "finetune", "context_length": 1, "finetune_epochs": 1},
    {"name": "pfedmoap", "context_length": 1},
    {"name": "pfedprompt", "context_length": 1},
]


def losses(observer: Observer, seen: Any) -> list[float]:
    """Mean cross-entropy of each client's own test images."""
    rows = observer.population
    own = seen.log_probabilities[np.arange(len(rows)), rows.labels]
    return [float(-own[(rows.clients == client) & ~rows.members].mean()) for client in range(len(rows.domains))]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method["name"]))
def test_the_client_view_is_the_model_that_was_evaluated(method: dict[str, Any], run: Callable[..., Run]) -> None:
    done = run(method=method)
    observer = prepare_observer(done, "client")
    last = done.clients[done.clients["round"] == done.clients["round"].max()]
    assert losses(observer, observer.observe_target()) == pytest.approx(last["loss"].tolist(), rel=1e-5)
    if done.scenario.method.uploads:
        outside = prepare_observer(done, SHARED).observe_target()
        assert np.isfinite(outside.log_probabilities).all()
        same = np.allclose(outside.log_probabilities, observer.observe_target().log_probabilities)
        assert same == (method["name"] == "promptfl")


def test_rows_are_images_of_their_clients(small_run: Run) -> None:
    """The pool's features are those of the very images: zero-shot on test rows is the reference's evaluation."""
    observer = prepare_observer(small_run, "client")
    reference = Run(small_run.folder / "references" / "zero_shot").clients
    seen = observer.score_untrained()
    rows = observer.population
    assert ZeroShot().trains is False
    for client in range(2):
        own = np.flatnonzero((rows.clients == client) & ~rows.members)
        loss = -seen[own, rows.labels[own]].mean()
        assert loss == pytest.approx(reference["loss"][client], rel=1e-5)


def test_a_run_without_its_last_checkpoint_is_refused(own_run: Run) -> None:
    for file in own_run.folder.glob("checkpoints/round-*/shared.safetensors"):
        file.write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"the checkpoint of its last round, 0, is missing \(passed over a damaged"):
        prepare_observer(own_run, "client").observe_target()


def test_another_backbone_is_refused(own_run: Run) -> None:
    path = own_run.folder / "data.json"
    fingerprint = prepare_observer(own_run, "client").prepared.backbone
    path.write_text(path.read_text().replace(fingerprint, "0" * len(fingerprint)))
    with pytest.raises(RunError, match="the backbone's weights differ from those of the run"):
        prepare_observer(own_run, "client")
