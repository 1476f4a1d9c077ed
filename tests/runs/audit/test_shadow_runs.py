"""Shadow runs of an audit of images."""

from typing import Any

import numpy as np

from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audited_images import redraw
from fedsilo.runs.audit.model_scores import prepare_observer
from fedsilo.runs.audit.shadow_runs import list_shadows


def test_shadow_runs_are_the_scenario_with_redrawn_membership(audited: tuple[Run, dict[str, Any]]) -> None:
    run, _ = audited
    observer = prepare_observer(run, "client")
    rows = observer.population
    seeds, splits = set(), set()
    for shadow in list_shadows(run, 4):
        done = Run(shadow.folder)
        assert done.finished
        for section in ("backbone", "method", "training", "privacy", "aggregation"):
            assert getattr(done.scenario, section) == getattr(run.scenario, section)
        seeds.add(done.scenario.seed)
        splits.add(done.manifest.split_sha256)
        draw = redraw(rows, run.scenario.seed, shadow.number)
        for client, holding in enumerate(done.manifest.clients):
            mine = rows.clients == client
            assert holding.train == tuple(np.sort(rows.positions[mine & draw.members]).tolist())
            assert holding.test == tuple(np.sort(rows.positions[mine & ~draw.members]).tolist())
    assert len(seeds | {run.scenario.seed}) == 5
    assert len(splits) == 4
