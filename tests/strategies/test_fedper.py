from typing import Any

from fedsilo.learners.vp_cmjl import VPCMJLLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.fedper import FedPerStrategy


def test_what_a_pattern_names_stays_and_the_rest_is_averaged(
    federation: Any, pair: Any, close: Any, private: Any
) -> None:
    run, w, own = federation(FedPerStrategy(stays=("v*",)), pair(counted=True)), 1.0, [-1.0, -1.0]
    for _ in range(2):
        w = (2 * (w - 0.1 * (w - 3)) + (w - 0.1 * (w - 6))) / 3
        own = [v - 0.1 * (v - target) for v, target in zip(own, (6, 12), strict=True)]
        close(run.step(), {"w": w})
        assert set(run.uploads[0]) == set(run.shared) == {"w", "seen"}
        for client in (0, 1):
            close(private(run, client), {"v": own[client]})
            assert set(run.private[client]) == {"v"}


def test_a_client_that_rests_keeps_its_part(federation: Any, pair: Any, close: Any, private: Any) -> None:
    run = federation(FedPerStrategy(stays=("v",)))
    run.step()
    run.step([0])
    close(private(run, 1), {"v": -1 + 0.1 * 13})
    close(private(run, 0), {"v": (-1 + 0.7) * 0.9 + 0.6})


def test_the_shared_part_is_fedavg_s(federation: Any) -> None:
    split, plain = federation(FedPerStrategy(stays=("v",))), federation(FedAvgStrategy())
    assert [split.step()["w"] for _ in range(2)] == [plain.step()["w"] for _ in range(2)]


def test_patterns_that_split_nothing_are_refused(pair: Any) -> None:
    (line,) = FedPerStrategy(stays=("head.*",)).refusals(pair())
    assert line.startswith("stays: head.*")
    assert "w, v" in line
    (line,) = FedPerStrategy(stays=("*",)).refusals(pair())
    assert "nothing is shared" in line
    assert "local" in line


def test_many_parameters_are_named_by_their_first_words() -> None:
    (line,) = FedPerStrategy().refusals(VPCMJLLearner(adapters=False))
    assert "table, contexts.*, attention.*, disentanglers.*, proxies.*, composer.*." in line
