"""Log lines from records; no Ray is started."""

import logging
import math
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.actors.monitoring.conftest import RECORD, TASK, score

from fedsilo.core import ClientTask, ClientUpdate
from fedsilo_actors.monitoring import logs
from fedsilo_actors.monitoring.metric_readings import read_updates


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    monkeypatch.setattr(logging.getLogger("fedsilo"), "propagate", True)
    with caplog.at_level(logging.DEBUG, "fedsilo"):
        yield caplog


def test_what_a_client_does_not_tell_is_in_no_line_and_no_metric(log: pytest.LogCaptureFixture) -> None:
    update = ClientUpdate(3, {}, 1, math.nan, math.nan)
    logs.log_training({3: ClientTask(7, 0, {})}, [update], {})
    logs.log_scores(7, [score(3, 3, 4)], TASK, {})
    assert log.messages == ["client 03, round 7: trained", "client 03, round 7: evaluated, accuracy 75.0 %"]
    assert list(read_updates([update], "night", "promptfl", {})) == []


def test_lines_say_who_when_and_how_it_went(log: pytest.LogCaptureFixture) -> None:
    tasks = {3: ClientTask(7, 0, {}), 4: ClientTask(7, 5, {})}
    updates = [ClientUpdate(3, {}, 1, 0.834, 0.2123), ClientUpdate(4, {}, 1, 0.5, 0.1)]
    logs.log_training(tasks, updates, {3: "photo"})
    scores = [replace(score(3, 3, 4), seconds=0.05), replace(score(4, 0, 0), seconds=0.01)]
    logs.log_scores(7, scores, TASK, {3: "photo"})
    logs.log_round("promptfl", RECORD, TASK.measured, 40)
    assert log.messages == [
        "client 03 photo, round 7: trained in 0.21 s, loss 0.834",
        "client 04, round 7, exchange 5: trained in 0.10 s, loss 0.5",
        "client 03 photo, round 7: evaluated in 0.05 s, accuracy 75.0 %",
        "client 04, round 7: evaluated in 0.01 s",
        "coordinator, promptfl, round 7 of 40: 3 clients, loss 0.83, local accuracy 70.0 %, epsilon 1.5, 2.50 s",
        "coordinator, promptfl, round 7: took 3 attempts",
        "coordinator, promptfl, round 7: without clients 2",
    ]
    assert [record.levelname for record in log.records[:3]] == ["INFO", "DEBUG", "INFO"]


def test_a_loss_that_is_hidden_from_the_coordinator_is_hidden_from_the_log(log: pytest.LogCaptureFixture) -> None:
    tasks = {3: ClientTask(7, 0, {})}
    logs.log_training(tasks, [ClientUpdate(3, {}, 1, math.nan, 0.2123)], {})
    logs.log_masked_training(tasks, {3: "photo"})
    assert log.messages == [
        "client 03, round 7: trained in 0.21 s",
        "client 03 photo, round 7: trained, its update will be masked",
    ]


def test_the_level_is_the_scenario_s_and_a_line_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("fedsilo")
    before = list(logger.handlers), logger.level, logger.propagate
    try:
        for level in ("debug", "warning"):
            logs.start_logging(level)
        logger.info("not this")
        logger.warning("this")
        assert len(logger.handlers) == len(before[0]) + (not before[0])
    finally:
        logger.handlers[:], logger.propagate = before[0], before[2]
        logger.setLevel(before[1])
    assert re.fullmatch(r"\d{4}-\S+ \S+ WARNING this\n", capsys.readouterr().err)
