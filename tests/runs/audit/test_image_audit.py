"""The audit of images from a run's folder to the document: shadow runs, resumption, refusals."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fedsilo
from fedsilo.core.errors import RunError
from fedsilo.models.clip.features import Chunk
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import Audit
from fedsilo.runs.audit.image_audit import audit
from fedsilo.runs.audit.model_scores import prepare_observer
from fedsilo.runs.audit.shadow_runs import list_shadows
from fedsilo.runs.run import go
from fedsilo.simulation.serial import SerialRuntime
from fedsilo.storage.run_folder import DRIVER_LOCK, to_json_value
from fedsilo.storage.run_lock import lock

pytestmark = pytest.mark.usefixtures("quick_attacks")


Ended = list[tuple[int, int, str, bool]]


def auditing(run: Run, **asked: Any) -> tuple[dict[str, Any], Ended]:
    ended: Ended = []
    document = audit(run.folder, Audit(**{"shadows": 4, **asked}), lambda *what: ended.append(what))
    return document, ended


@pytest.fixture
def own_audited(audited: tuple[Run, dict[str, Any]], tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(audited[0].folder, tmp_path / "audited")))


def test_the_document_says_all_and_is_written(audited: tuple[Run, dict[str, Any]]) -> None:
    run, document = audited
    assert json.loads((run.folder / "audit.json").read_text()) == json.loads(json.dumps(to_json_value(document)))
    assert (document["members"], document["non_members"]) == (40, 32)
    assert (document["shadows"], document["view"], document["claim"]) == (4, "client", None)
    assert [attack["attack"] for attack in document["attacks"]] == ["likelihood ratio", "attack models"]
    for attack in document["attacks"]:
        assert 0 <= attack["rates"]["success"] <= 1
        assert (attack["epsilon"]["runs"], attack["epsilon"]["delta"], attack["epsilon"]["confidence"]) == (
            2,
            1e-5,
            0.95,
        )
        assert attack["epsilon"]["right"] <= attack["epsilon"]["guesses"] <= attack["epsilon"]["canaries"]
        assert attack["roc"][0] == (0.0, 0.0)
    assert document["verdict"][0].startswith("membership ")


def test_what_has_finished_is_used_again_also_where_the_run_was_moved_to(
    own_audited: Run, audited: tuple[Run, dict[str, Any]]
) -> None:
    document, ended = auditing(own_audited)
    assert [before for *_, before in ended] == [True] * 4
    assert {**document, "run": "small"} == audited[1]
    assert [before for *_, before in auditing(own_audited, shadows=5)[1]] == [True] * 4 + [False]


def test_an_interrupted_audit_is_gone_on_with_and_ends_the_same(
    own_run: Run, audited: tuple[Run, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[Path] = []

    def stopping(folder: Path) -> Run:
        began.append(folder)
        if len(began) == 3:
            raise KeyboardInterrupt
        return go(folder)

    with monkeypatch.context() as patch:
        patch.setattr("fedsilo.runs.comparison.execute.go", stopping)
        with pytest.raises(KeyboardInterrupt):
            auditing(own_run)
    assert not (own_run.folder / "audit.json").exists()
    document, ended = auditing(own_run)
    assert [before for *_, before in ended] == [True, True, False, False]
    assert document == audited[1]


def test_shadow_runs_encode_no_image_that_was_encoded_before(
    own_audited: Run, audited: tuple[Run, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their parts of the pool are other images each time; the cache knows images by the chunk that they are in."""

    def refuse(self: SerialRuntime, encoder: Any, images: Any, missing: Sequence[Chunk]) -> list[Any]:
        assert not missing
        return []

    monkeypatch.setattr(SerialRuntime, "encode", refuse)
    ended = auditing(own_audited, shadows=6)[1]
    assert [before for *_, before in ended] == [True] * 4 + [False] * 2


def test_a_shadow_of_another_version_is_made_again(own_audited: Run, audited: tuple[Run, dict[str, Any]]) -> None:
    file = own_audited.folder / "audit" / "shadow-002" / "scenario.yaml"
    file.write_text(file.read_text().replace("learning_rate: 0.1", "learning_rate: 0.2"))
    document, ended = auditing(own_audited)
    assert sorted(name for *_, name, before in ended if not before) == ["shadow-002"]
    assert {**document, "run": "small"} == audited[1]


@pytest.mark.slow
def test_side_by_side_gives_the_same(own_run: Run, audited: tuple[Run, dict[str, Any]]) -> None:
    document, ended = auditing(own_run, jobs=2)
    assert document == audited[1]
    assert len(ended) == 4


def test_the_control_and_the_other_view_have_files_of_their_own(own_audited: Run) -> None:
    before = (own_audited.folder / "audit.json").read_bytes()
    shuffled, ended = auditing(own_audited, shuffle=True)
    assert all(was for *_, was in ended)
    assert shuffled["verdict"][0].startswith("a control: membership was shuffled")
    assert auditing(own_audited, view="shared")[0]["view"] == "shared"
    assert (own_audited.folder / "audit.json").read_bytes() == before
    assert (own_audited.folder / "audit-shuffled.json").exists()
    assert (own_audited.folder / "audit-shared.json").exists()


def test_a_claim_is_taken_from_the_result_with_its_delta(run: Callable[..., Run]) -> None:
    done = run(privacy={"mode": "central", "noise_multiplier": 3.0, "delta": 1e-4})
    document, _ = auditing(done)
    assert document["claim"] == done.result["privacy"]
    assert {attack["epsilon"]["delta"] for attack in document["attacks"]} == {1e-4}


@pytest.mark.parametrize(
    ("changes", "asked", "line"),
    [
        ({}, {"shadows": 0}, "shadows: must be at least 4, half to train the attacks and half as trials, got 0."),
        ({}, {"shadows": 3}, "shadows: must be at least 4"),
        ({}, {"jobs": 0}, "jobs: must be at least 1, got 0."),
        ({}, {"view": "mine"}, "view: must be one of client, shared, got 'mine'."),
        ({"method": "zero_shot"}, {}, "method 'zero_shot' trains nothing, so it has no members"),
        ({"method": "local"}, {"view": "shared"}, "method 'local' shares nothing, so there is no shared view"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_one_line(
    changes: dict[str, Any], asked: dict[str, Any], line: str, run: Callable[..., Run], small_run: Run
) -> None:
    done = run(**changes) if changes else small_run
    with pytest.raises(RunError) as caught:
        auditing(done, **asked)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (done.folder / "audit").exists()


def test_a_run_that_has_not_finished_is_refused(own_run: Run) -> None:
    (own_run.folder / "result.json").unlink()
    with pytest.raises(RunError, match=f"has not finished. `fedsilo resume {own_run.folder}`"):
        auditing(own_run)


def test_clients_without_test_images_of_their_classes_have_nothing_to_compare(own_run: Run) -> None:
    manifest = own_run.manifest
    # client 0 trains on the images of its classes, but all test images are client 1's, which trains on nothing of them
    first, second = manifest.clients
    moved = replace(
        manifest, clients=(replace(first, test=()), replace(second, train=second.train[:0], test=first.test))
    )
    moved.write(own_run.folder / "partition.json")
    with pytest.raises(RunError, match="so members cannot be compared with non-members"):
        auditing(own_run)


def test_a_shadow_that_fails_is_said_in_one_line(own_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(folder: Path) -> Run:
        raise ValueError("on purpose")

    monkeypatch.setattr("fedsilo.runs.comparison.execute.go", failing)
    with pytest.raises(RunError, match=r"shadow-000: ValueError: on purpose \(see .*failure.txt\)"):
        auditing(own_run)


def test_two_audits_of_a_run_do_not_meet(own_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsilo.runs.audit.audit_frame.WAIT_S", 0.0)
    (own_run.folder / "audit").mkdir()
    with lock(own_run.folder / "audit", 0.0, DRIVER_LOCK), pytest.raises(RunError, match="is running in it"):
        auditing(own_run)


def test_relative_paths_are_fine(own_audited: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_audited.folder.parent)
    ended: Ended = []
    audit(os.path.relpath(own_audited.folder), Audit(4), lambda *what: ended.append(what))
    assert [before for *_, before in ended] == [True] * 4


PAIRS: dict[str, Any] = {
    "name": "pairs",
    "task": "composition",
    "data": {
        "name": "emblems_pairs",
        **{"objects": 3, "domains": ["sketch"], "train_per_pair_and_domain": 2, "test_per_pair_and_domain": 2},
    },
    "partition": {"clients": 2, "test": "client"},
    "method": "csp",
    "training": {"rounds": 1, "batch_size": 8},
    "actors": {"backend": "serial"},
}


@pytest.mark.slow
def test_a_run_of_compositions_is_audited_by_its_trained_pairs(tmp_path: Path) -> None:
    run = fedsilo.run(PAIRS, tracking={"root": str(tmp_path)})
    document, _ = auditing(run)
    seen = int(run.candidates.seen.sum())
    rows = prepare_observer(run, "client").population
    assert (rows.labels >= seen).any()
    assert not (rows.labels[rows.comparable] >= seen).any()
    assert 0 < document["members"] <= rows.comparable.sum()
    for shadow in list_shadows(run, 4):
        assert all(client.train and client.test for client in Run(shadow.folder).manifest.clients)
    shared = fedsilo.run({**PAIRS, "partition": {"clients": 2}}, tracking={"root": str(tmp_path)})
    with pytest.raises(RunError, match=r"members cannot be compared .*partition\.test=client"):
        auditing(shared)
