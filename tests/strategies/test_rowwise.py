"""Row-wise averaging by hand: clients with disjoint objects, rows that no client owns, sums under masks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.secure import Secure
from fedsilo.core.round_work import ServerWork
from fedsilo.learners.coop import CoOpLearner
from fedsilo.learners.csp import CSPLearner
from fedsilo.learners.vp_cmjl import VPCMJLLearner
from fedsilo.methods.composed import Composed
from fedsilo.storage.run_folder import read_lines
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.rowwise import RowwiseStrategy

LABELS = ([0] * 20, [3] * 27)
"""Client 0 has dark cats, client 1 light birds, no client a red dog: row 3 of dark, light, cat, red dog, bird."""
OWNERS = [0, 1, 0, None, 1]


def exchange(here: Any, method: Any) -> tuple[Any, Any, list[Any]]:
    """One exchange of two clients; returns the shared state before and after it, and the uploads."""
    shared = method.initial_shared(here.model, 0)
    uploads = []
    for client, labels in enumerate(LABELS):
        work = here.work(method, client, method.download(shared, client), labels=torch.tensor(labels))
        uploads.append(method.train(work).upload)
    share = [len(labels) / sum(map(len, LABELS)) for labels in LABELS]
    mean = {
        name: sum(p * upload[name].double() for p, upload in zip(share, uploads, strict=True)).float()
        for name in method.uploads
    }
    work = ServerWork(shared, mean, {}, (20, 27), here.rules.training, 0, 0, participants=2)
    return shared, method.server_step(work), uploads


def test_a_row_is_the_mean_of_its_owners_and_one_without_owner_stays(world: Any) -> None:
    here = world(clients=2, batch_size=32)
    before, plain, trained = exchange(here, Composed(CSPLearner(dropout=0.0), FedAvgStrategy()))
    _, rowwise, sent = exchange(here, Composed(CSPLearner(dropout=0.0), RowwiseStrategy()))
    for row, owner in enumerate(OWNERS):
        own = before["table"][row] if owner is None else trained[owner]["table"][row]
        torch.testing.assert_close(rowwise["table"][row], own, rtol=0, atol=2e-6)
        both = (20 * trained[0]["table"][row] + 27 * trained[1]["table"][row]) / 47
        torch.testing.assert_close(plain["table"][row], both, rtol=0, atol=2e-6)
        assert float((own - both).abs().max()) > 1e-3, "the two means differ"
    assert torch.equal(rowwise["owned.table"], torch.zeros(5))
    assert sent[0]["owned.table"].tolist() == [1, 0, 1, 0, 0]
    assert torch.equal(sent[1]["table"][2], before["table"][2]), "rows of others are sent as they were received"


def test_what_has_no_rows_is_averaged_as_in_fedavg(world: Any) -> None:
    here, learner = world(clients=2, batch_size=32), VPCMJLLearner(adapters=False)
    _, plain, _ = exchange(here, Composed(learner, FedAvgStrategy()))
    _, rowwise, _ = exchange(here, Composed(learner, RowwiseStrategy()))
    rows = {"table", "proxies.attribute", "proxies.object"}
    assert {name for name in plain if not torch.equal(plain[name], rowwise[name])} == rows
    assert set(rowwise) - set(plain) == {f"owned.{name}" for name in rows}


def test_masks_change_no_bit_and_marks_are_not_sent_down(world: Any, tmp_path: Path) -> None:
    here, method = world(clients=3, rounds=2), Composed(CSPLearner(), RowwiseStrategy())
    secure, ring = (
        replace(here, rules=replace(here.rules, aggregation=kind())).federate(method, tmp_path / kind.__name__)
        for kind in (Secure, Modular)
    )
    assert secure.shared_sha256 == ring.shared_sha256
    plain = here.federate(method, tmp_path / "plain")
    for line in read_lines(tmp_path / "plain" / "wire.jsonl"):
        assert not line["tensors"] or set(line["tensors"]) == (
            {"table", "owned.table"} if line["direction"] == "up" else {"table"}
        )
    torch.testing.assert_close(
        torch.tensor([r["loss"] for r in ring.records]),
        torch.tensor([r["loss"] for r in plain.records]),
        rtol=1e-4,
        atol=0,
    )


@pytest.mark.parametrize("learner", [CoOpLearner(), VPCMJLLearner(local_parts=("table", "proxies"))])
def test_a_learner_without_rows_that_travel_is_refused_in_one_line(learner: Any) -> None:
    (line,) = RowwiseStrategy().refusals(learner)
    assert "rows of attributes and objects" in line
    assert "fedavg" in line
