"""A run's folder, written by hand, as Python objects."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.report.conftest import Made

from fedsilo.core.errors import RunError
from fedsilo.report.results.finished_run import list_method_folders, load


def test_a_run_that_has_not_finished_has_tables_and_no_result(made: Made) -> None:
    run = load(made(clients=3, rounds=4).folder)
    assert not run.finished
    assert list(run.rounds["loss"]) == [1, 1 / 2, 1 / 3, 1 / 4]
    assert list(run.rounds["seconds.train"]) == [1.5] * 4
    assert len(run.clients) == 3 * 4
    assert list(run.clients["accuracy"][:3]) == pytest.approx([0.5, 0.5001, 0.5002])
    assert set(run.wire["direction"]) == {"up", "down"}
    assert [client.number for client in run.manifest.clients] == [0, 1, 2]
    with pytest.raises(RunError, match=r"has not finished. `fedsilo resume .*` continues it"):
        _ = run.result


def test_methods_are_listed_as_they_run_with_their_folders(made: Made) -> None:
    run = made()
    below = run.folder / "references"
    expected = [("zero_shot", below / "zero_shot"), ("promptfl", run.folder), ("local", below / "local")]
    assert list(list_method_folders(run.scenario, run.folder)) == expected


def test_zero_shot_alone_has_the_run_s_own_folder(made: Made) -> None:
    run = made(method="zero_shot")
    assert dict(list_method_folders(run.scenario, run.folder))["zero_shot"] == run.folder


@pytest.mark.parametrize("client", [-1, 3])
def test_a_client_that_there_is_not_is_refused(made: Made, client: int) -> None:
    with pytest.raises(RunError, match=rf"there is no client {client}\. It has clients 0 to 2\."):
        made(clients=3).private(client)


def test_without_a_checkpoint_there_are_no_prompts_yet(made: Made) -> None:
    with pytest.raises(RunError, match="has no prompts yet: no round has finished"):
        _ = made().shared


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        load(tmp_path)
