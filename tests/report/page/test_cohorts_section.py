"""Clients at work in the newest rounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from tests.report.conftest import Made, lines

from fedsilo.report.page.document import draw_page
from fedsilo.report.page.page_data import read_page_data


def stage(
    round: int, name: str, began: float, work: Mapping[int, tuple[float, float]], seconds: float
) -> dict[str, Any]:
    """A line of timeline.jsonl; work is each client's beginning and seconds."""
    return {
        **{"round": round, "stage": name, "began": began, "until": began + seconds, "seconds": seconds},
        **{"clients": list(work), "client_began": [w[0] for w in work.values()]},
        **{"client_until": [sum(w) for w in work.values()], "client_seconds": [w[1] for w in work.values()]},
    }


def bars_of(text: str) -> dict[str, tuple[float, float]]:
    """Left and width of each bar of the picture of clients at work, by its words."""
    found = re.findall(
        r'<rect class="bar c\d" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*><title>([^<]*, round[^<]*)<', text
    )
    return {
        words: (float(left), float(width)) for left, width, words in found if words.startswith(("client ", "coord"))
    }


def test_clients_at_work_have_a_row_each_in_the_newest_rounds(made: Made) -> None:
    run = made(clients=2, rounds=5)
    records = []
    for round in range(5):
        records.append(stage(round, "train", 0.0, {0: (0.5, 1.0), 1: (0.0, 2.0)}, 2.0))
        records.append(stage(round, "evaluate", 3.0, {0: (3.0, 1.0), 1: (-9.0, 0.5)}, 1.0))
    lines(run.folder / "timeline.jsonl", records)
    text = draw_page(read_page_data(run))
    drawn = bars_of(text)
    assert len(drawn) == 3 * 2 * 3  # rounds, stages, the coordinator and two clients
    assert "rounds 2 to 4" in text
    at = {words: left for words, (left, _) in drawn.items()}
    second = (760 - 92 - 20) / 12  # three rounds of four seconds
    assert at["client 00, round 2, train: 1 s"] == pytest.approx(92 + 0.5 * second, abs=0.1)
    assert at["client 01, round 3, train: 2 s"] == pytest.approx(92 + 4 * second, abs=0.1)
    assert drawn["client 01, round 3, train: 2 s"][1] == pytest.approx(2 * second, abs=0.1)
    assert at["client 01, round 2, evaluate: 0.5 s"] == 92  # a clock that is wrong stays in the picture


def test_of_many_clients_those_at_work_longest_are_drawn_and_it_is_said(made: Made) -> None:
    run = made(clients=60, rounds=1)
    work = {client: (0.0, 1.0 + (client * 7) % 60) for client in range(60)}
    lines(run.folder / "timeline.jsonl", [stage(0, "train", 0.0, work, 61.0)])
    text = draw_page(read_page_data(run))
    assert "The 40 of 60 clients that were at work longest." in text
    shown = {int(words[7:9]) for words in bars_of(text) if words.startswith("client")}
    assert shown == set(sorted(work, key=lambda client: -work[client][1])[:40])


def test_masked_training_is_the_coordinator_s_wait_and_a_run_without_a_timeline_has_no_such_picture(made: Made) -> None:
    run = made(clients=2, rounds=1)
    assert "Clients at work" not in draw_page(read_page_data(run))
    measured = stage(0, "evaluate", 1.0, {0: (1.0, 0.5), 1: (1.5, 0.5)}, 1.0)
    lines(run.folder / "timeline.jsonl", [stage(0, "train", 0.0, {}, 1.0), measured])
    text = draw_page(read_page_data(run))
    assert "Updates are masked" in text
    assert {words.split(", ")[0] for words in bars_of(text) if ", train" in words} == {"coordinator"}


def test_waiting_between_exchanges_is_said(made: Made) -> None:
    run = made(clients=1, rounds=1)
    record = stage(0, "train", 0.0, {0: (0.0, 1.0)}, 3.0) | {"client_until": [3.0]}
    lines(run.folder / "timeline.jsonl", [record])
    assert "waiting included" in draw_page(read_page_data(run))
