from typing import Any

from fedsilo.strategies.local import LocalStrategy


def test_clients_train_alone_and_send_nothing(federation: Any, pair: Any, close: Any, private: Any) -> None:
    run, own = federation(LocalStrategy(), pair(counted=True)), [1.0, 1.0]
    for _ in range(2):
        run.step()
        own = [w - 0.1 * (w - target) for w, target in zip(own, (3, 6), strict=True)]
        assert not run.shared
        assert not run.uploads[0]
        for client in (0, 1):
            close(private(run, client), {"w": own[client]})
    close(private(run, 0), {"seen": 1.5 / 2 + 1.5})


def test_a_batch_at_a_time_is_the_same_walk(federation: Any, private: Any) -> None:
    walks = [federation(LocalStrategy(synchronise=way)) for way in ("round", "batch")]
    for run in walks:
        run.step(), run.step()
    assert private(walks[0], 0)["w"] == private(walks[1], 0)["w"]


def test_a_learner_whose_parameters_are_all_personal_is_fine(pair: Any) -> None:
    assert LocalStrategy().refusals(pair(own=("w", "v"))) == []
