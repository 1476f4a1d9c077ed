"""Clients, domains and classes without training; altered images and labels of one's own; all through real runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fedsilo
from fedsilo.core import EvaluationTask, Method
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo.core.registry import find, names
from fedsilo.core.state import to_arrays
from fedsilo.learners.coop import CoOpLearner
from fedsilo.methods.promptfl import PromptFL
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import Audit
from fedsilo.runs.audit.image_audit import audit
from fedsilo.simulation.client import Novelty
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals

METHOD = PromptFL(context_length=3)
SMALL: dict[str, Any] = {
    "data": {
        "name": "emblems",
        "classes": 6,
        "domains": ["sketch", "neon", "mosaic"],
        "train_per_class_and_domain": 3,
        "test_per_class_and_domain": 2,
    },
    "partition": {"clients": 4},
    "method": {"name": "promptfl", "context_length": 2},
    "training": {"rounds": 2, "batch_size": 16},
    "evaluation": {"neighbours": "always"},
    "actors": {"backend": "serial"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Returns run(partition={...}, method=...): a small real run in a new folder."""
    root = tmp_path_factory.mktemp("runs")

    def go(partition: dict[str, Any], **changes: Any) -> Run:
        return fedsilo.run({**SMALL, "partition": partition, **changes}, **{"tracking.root": str(root)})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(root / "cache"))
        yield go


def last(found: Run) -> dict[str, Any]:
    return dict(found.rounds.iloc[-1])


def with_novelty(here: Any) -> Any:
    """The world's own classes in reverse, and its test images, as classes that no client trains on."""
    known = here.model.classes
    backwards = ClassTokens(
        torch.cat(known.embeddings.split(known.lengths)[::-1]), known.lengths[::-1], known.sos, known.names[::-1]
    )
    tokens = {name: tensor.numpy() for name, tensor in backwards.tensors().items()}
    labels = len(known) - 1 - here.warehouse.test_labels
    novelty = Novelty(tokens, here.model.zero_shot.flip(0).numpy(), here.warehouse.test, labels)
    return replace(here, warehouse=replace(here.warehouse, novelty=novelty))


@pytest.mark.parametrize("name", [name for name in names(Method) if find(Method, name)().reads_names])
def test_prompts_are_put_before_other_names(name: str, world: Any) -> None:
    # Of the same names in reverse the same images must be right, whatever the method makes of a client's own names.
    cls = find(Method, name)
    keys = {"context_length": 3, "learner": CoOpLearner(context_length=3)}
    method = cls(**{key: value for key, value in keys.items() if key in cls.__dataclass_fields__})
    here = with_novelty(world(clients=2))
    client = here.clients(method)[0]
    shared = to_arrays(method.download(method.initial_shared(here.model, 0), 0))
    score = client.evaluate(EvaluationTask(0, shared, neighbours=True))
    assert score.new["examples"] == len(here.warehouse.test_labels)
    assert score.new["correct"] == score.own["correct"] + score.elsewhere["correct"]


@pytest.mark.parametrize("method", ["pfedprompt", {"name": "promptfl", "class_specific": True}])
def test_what_is_learnt_for_each_class_cannot_be_asked_for_new_ones(method: Any) -> None:
    with pytest.raises(ScenarioError, match=r"partition.unseen.classes: '\w+' learns per-class parameters"):
        fedsilo.run({**SMALL, "partition": {"unseen": {"classes": 0.5}}, "method": method})


def test_new_classes_are_measured_among_themselves_and_no_client_trains_on_them(run: Any) -> None:
    found = run({"clients": 3, "unseen": {"classes": 0.5}})
    assert len(found.manifest.classes) == 3
    assert found.result["rows"][0]["local_accuracy"] == pytest.approx(1 / 3)  # chance among the base classes
    record = last(found)
    own, new = record["local_accuracy"], record["new_accuracy"]
    assert record["harmonic_accuracy"] == pytest.approx(2 * own * new / (own + new))
    assert new * 18 * 3 == pytest.approx(round(new * 18 * 3))  # 3 new classes x 3 domains x 2 images, for 3 clients
    whole = run({"clients": 3})
    assert whole.rounds["new_accuracy"].isna().all()


def test_a_client_that_never_trains_changes_nothing_for_the_others(world: Any, tmp_path: Path) -> None:
    here = world(clients=3)
    plan = here.plan(METHOD)
    apart = replace(plan, sizes=(*plan.sizes[:2], 0), unseen=frozenset({2}))
    pair = replace(plan, sizes=plan.sizes[:2])
    outcomes = []
    for number, (each, clients) in enumerate(((apart, here.clients(METHOD)), (pair, here.clients(METHOD)[:2]))):
        folder = tmp_path / str(number)
        folder.mkdir()
        federation = Federation(each, SerialBackend(clients), Journals(folder), Checkpoints(folder / "c", 2))
        outcomes.append(federation.run(lambda record: None))
    with_it, without = outcomes
    assert with_it.shared_sha256 == without.shared_sha256
    assert with_it.records[-1]["local_accuracy"] == without.records[-1]["local_accuracy"]
    assert without.records[-1]["unseen_accuracy"] is None
    own = with_it.scores[2]
    assert with_it.records[-1]["unseen_accuracy"] == own["correct"] / own["examples"]  # type: ignore[operator]


def test_unseen_clients_are_drawn_or_named_and_said(run: Any) -> None:
    named = run({"clients": 4, "unseen": {"clients": [1, 3]}})
    assert [client.seen for client in named.manifest.clients] == [True, False, True, False]
    assert all(set(record) == {0, 2} for record in named.rounds["participants"])
    assert any("never training, measured by themselves: clients 1, 3" in line for line in named.result["notices"])
    drawn = run({"clients": 4, "unseen": {"clients": 1}})
    assert sum(not client.seen for client in drawn.manifest.clients) == 1
    assert [c.train for c in drawn.manifest.clients] == [c.train for c in named.manifest.clients]


def test_a_domain_that_is_left_out_becomes_a_client_of_its_own(run: Any) -> None:
    found = run({"clients": 4, "feature": "domains", "unseen": {"domains": ["neon"]}})
    *trained, left_out = found.manifest.clients
    assert [client.domain for client in trained] == ["sketch", "sketch", "mosaic", "mosaic"]
    assert (left_out.domain, left_out.seen, sum(left_out.train_domains)) == ("neon", False, 18)
    assert left_out.train_domains == (0, 18, 0)
    assert last(found)["unseen_accuracy"] is not None


def test_altered_images_are_seen_altered_by_their_client_and_by_its_neighbours(run: Any) -> None:
    clean = run({"clients": 4})
    grey = run({"clients": 4, "corruption": {"kinds": ["contrast"], "severity": 5}})
    half = run({"clients": 4, "corruption": {"kinds": ["contrast"], "severity": 5, "clients": 0.5}})
    altered = [bool(client.alteration) for client in half.manifest.clients]
    assert sum(altered) == 2

    def zero_shot(found: Run, measure: str) -> list[float]:
        return list(Run(found.folder / "references" / "zero_shot").clients[measure])

    for own, plain, worse, which in zip(
        zero_shot(half, "accuracy"), zero_shot(clean, "accuracy"), zero_shot(grey, "accuracy"), altered, strict=True
    ):
        assert own == (worse if which else plain)
    assert np.mean(zero_shot(grey, "accuracy")) < np.mean(zero_shot(clean, "accuracy")) - 0.2
    # Neighbours meet an altered client's images as that client has them.
    assert zero_shot(grey, "neighbour_accuracy")[0] < zero_shot(half, "neighbour_accuracy")[0]
    assert zero_shot(half, "neighbour_accuracy")[0] < zero_shot(clean, "neighbour_accuracy")[0]


def test_a_client_is_right_by_its_own_names(run: Any) -> None:
    plain = run({"clients": 4})
    names = run({"clients": 4, "concept": {"name": "permutation", "swapped": 0, "clients": 0.5}})
    own = [bool(client.test_labels) for client in names.manifest.clients]
    assert sum(own) == 2
    floors = [Run(found.folder / "references" / "zero_shot").clients["accuracy"] for found in (plain, names)]
    for before, after, changed in zip(*floors, own, strict=True):
        assert after < before if changed else after == before


def test_everybodys_test_images_are_judged_by_each_client_s_own_names(run: Any) -> None:
    plain = run({"clients": 3, "test": "global"})
    named = run({"clients": 3, "test": "global", "concept": {"name": "permutation", "swapped": 0, "clients": 0.34}})
    own = [bool(client.test_labels) for client in named.manifest.clients]
    assert sum(own) == 1
    floors = [Run(found.folder / "references" / "zero_shot").clients["accuracy"] for found in (plain, named)]
    for before, after, changed in zip(*floors, own, strict=True):
        assert after < before if changed else after == before


def test_noise_is_in_the_training_labels_only(run: Any) -> None:
    noisy = run({"clients": 4, "concept": {"name": "label_noise", "rate": 0.5, "clients": 1.0}})
    for client in noisy.manifest.clients:
        assert len(client.train_labels) == len(client.train)
        assert client.test_labels == ()


def test_test_data_can_be_everybodys(run: Any) -> None:
    found = run({"clients": 3, "label": {"name": "dirichlet", "beta": 0.1}, "test": "global"})
    assert all(client.test == tuple(range(36)) for client in found.manifest.clients)
    record = last(found)
    assert record["neighbour_accuracy"] is None or np.isnan(record["neighbour_accuracy"])
    floor = Run(found.folder / "references" / "zero_shot").clients["accuracy"]
    assert floor.nunique() == 1


EVERYTHING: dict[str, Any] = {
    "clients": 4,
    "label": {"name": "dirichlet", "beta": 0.5},
    "feature": {"name": "mixture", "beta": 0.5},
    "quantity": {"name": "lognormal", "sigma": 0.5},
    "concept": {"name": "permutation", "swapped": 3},
    "corruption": {"kinds": ["noise", "blur"], "severity": [1, 4], "clients": 0.5},
    "unseen": {"clients": 1, "domains": ["mosaic"], "classes": 0.34},
    "min_train": 2,
}


def test_a_manifest_freezes_everything(run: Any, tmp_path: Path) -> None:
    first = run(EVERYTHING)
    frozen = {"name": "manifest", "file": str(first.folder / "partition.json"), "unseen": {"classes": 0.34}}
    again = run(frozen)
    assert again.result["sha256"] == first.result["sha256"]
    assert again.manifest.split_sha256 == first.manifest.split_sha256
    with pytest.raises(ScenarioError, match=r"partition.corruption: is frozen in the manifest"):
        run({**frozen, "corruption": {"kinds": ["blur"]}})
    other = run(frozen, method={"name": "local", "context_length": 2})
    assert other.manifest.split_sha256 == first.manifest.split_sha256


def test_such_a_run_is_not_audited(run: Any) -> None:
    found = run({"clients": 3, "unseen": {"clients": 1}})
    with pytest.raises(RunError, match="cannot be dealt again for shadow runs"):
        audit(found.folder, Audit(shadows=4))


@pytest.mark.ray
@pytest.mark.slow
def test_ray_and_serial_runs_of_everything_are_identical(run: Any) -> None:
    ray_actors = {"backend": "ray", "object_store_mb": 80, "clients_per_actor": 3}
    here, there = run(EVERYTHING), run(EVERYTHING, actors=ray_actors)
    assert here.result["sha256"] == there.result["sha256"]
    assert last(here)["unseen_accuracy"] == last(there)["unseen_accuracy"]
    assert last(here)["new_accuracy"] == last(there)["new_accuracy"]
