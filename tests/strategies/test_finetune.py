from typing import Any

from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.finetune import FineTuneStrategy


def test_the_shared_numbers_are_fedavg_s_and_each_client_is_served_a_tuned_copy(federation: Any, close: Any) -> None:
    run, plain = federation(FineTuneStrategy(finetune_epochs=2)), federation(FedAvgStrategy())
    for _ in range(2):
        found = run.step()
        assert found == plain.step()
        for client, target in ((0, 3), (1, 6)):
            w, v = found["w"], found["v"]
            for _ in range(2):
                w, v = w - 0.1 * (w - target), v - 0.1 * (v - 2 * target)
            close(run.adapted(client), {"w": w, "v": v})
    assert set(run.uploads[0]) == {"w", "v"}


def test_statistics_and_personal_parameters_are_tuned_with_the_rest(
    federation: Any, pair: Any, close: Any, private: Any
) -> None:
    run = federation(FineTuneStrategy(finetune_epochs=1), pair(own=("v",), counted=True))
    found = run.step()
    close(
        run.adapted(1), {"w": found["w"] - 0.1 * (found["w"] - 6), "seen": found["seen"] / 2 + 3, "v": 0.3 + 0.1 * 11.7}
    )
    close(private(run, 1), {"v": 0.3})


def test_with_no_epochs_it_serves_what_fedavg_does(federation: Any) -> None:
    run = federation(FineTuneStrategy(finetune_epochs=0))
    assert run.step() == run.adapted(0) == run.adapted(1)
