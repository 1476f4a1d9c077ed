import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fedsilo.core.round_work import ServerWork
from fedsilo.methods.fedamp import FedAMP
from fedsilo.methods.local import Local
from fedsilo.storage.run_folder import read_lines
from fedsilo.training.local_training import TrainingPoint, differentiate

METHOD = FedAMP(context_length=3)


def server_work(here: Any, shared: dict[str, Tensor], updates: dict[int, Tensor]) -> ServerWork:
    sent = {client: {"context": context} for client, context in updates.items()}
    return ServerWork(shared, {}, sent, (20, 27, 34), here.rules.training, 0, 0)


def contexts(count: int) -> list[Tensor]:
    return list(torch.randn(count, 3, 16, generator=torch.Generator().manual_seed(0)))


def test_weights_are_the_paper_s_on_three_numbers() -> None:
    points = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    near, far, farther = (0.5 / 2 * math.exp(-d / 2) for d in (1, 4, 9))
    expected = torch.tensor(
        [
            [1 - near - farther, near, farther],
            [near, 1 - near - far, far],
            [farther, far, 1 - far - farther],
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(
        FedAMP(alpha=0.5, sigma=2.0).strategy.compute_mixture(points), expected, rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0, 1e6])
@pytest.mark.parametrize("sigma", [0.01, 1.0, 1e3])
def test_every_mixture_is_convex_and_no_client_counts_less_than_average_in_its_own(
    count: int, alpha: float, sigma: float
) -> None:
    points = torch.randn(count, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = FedAMP(alpha=alpha, sigma=sigma).strategy.compute_mixture(points)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(count, dtype=torch.float64))
    assert (weights.diagonal() >= 1 / count - 1e-12).all()
    assert torch.equal(weights, weights.T)


def test_a_shortened_step_keeps_the_weights_proportions_and_ends_at_the_mean() -> None:
    points = torch.tensor([[0.0], [1.0], [1.5]], dtype=torch.float64)
    short, full = (
        FedAMP(alpha=0.1).strategy.compute_mixture(points),
        FedAMP(alpha=50.0).strategy.compute_mixture(points),
    )
    assert float(full.diagonal().min()) == pytest.approx(1 / 3)
    ratios = (full / short)[~torch.eye(3, dtype=torch.bool)]
    torch.testing.assert_close(ratios, ratios[0].expand(6))
    alike = torch.zeros(4, 2, dtype=torch.float64)
    torch.testing.assert_close(
        FedAMP(alpha=50.0).strategy.compute_mixture(alike), torch.full((4, 4), 0.25, dtype=torch.float64)
    )


def test_each_client_receives_its_own_mixture(world: Any) -> None:
    sent = contexts(3)
    method = FedAMP(context_length=3, alpha=0.4, sigma=50.0)
    shared = method.server_step(server_work(world(), {"context": sent[0]}, dict(enumerate(sent))))
    for i, own in enumerate(sent):
        xi = [0.4 / 50 * math.exp(-float((own - other).square().sum()) / 50) for other in sent]
        others = [j for j in range(3) if j != i]
        expected = (1 - sum(xi[j] for j in others)) * own + sum(xi[j] * sent[j] for j in others)
        torch.testing.assert_close(method.download(shared, i)["context"], expected)
        assert set(method.download(shared, i)) == {"context"}


def test_who_takes_no_part_keeps_its_last_cloud_context(world: Any) -> None:
    sent, here = contexts(6), world()
    before = METHOD.server_step(server_work(here, {"context": sent[0]}, dict(enumerate(sent[:3]))))
    after = METHOD.server_step(server_work(here, dict(before), {0: sent[3], 2: sent[4]}))
    assert torch.equal(METHOD.download(after, 1)["context"], METHOD.download(before, 1)["context"])
    assert not torch.equal(METHOD.download(after, 0)["context"], METHOD.download(before, 0)["context"])


def test_before_the_first_exchange_every_client_receives_the_start(world: Any) -> None:
    initial = METHOD.initial_shared(world().model, 0)
    assert torch.equal(METHOD.download(initial, 2)["context"], initial["context"])


def test_without_mixing_the_cloud_context_is_the_client_s_own_bit_for_bit(world: Any) -> None:
    sent = contexts(3)
    method = FedAMP(context_length=3, alpha=0.0)
    shared = method.server_step(server_work(world(), {"context": sent[0]}, dict(enumerate(sent))))
    assert all(torch.equal(method.download(shared, i)["context"], sent[i]) for i in range(3))


def test_without_attraction_it_is_local_bit_for_bit(world: Any, tmp_path: Path) -> None:
    local = world(local_epochs=2).federate(Local(context_length=3), tmp_path / "local")
    alone = world(local_epochs=2).federate(FedAMP(context_length=3, attraction=0.0), tmp_path / "fedamp")
    assert (alone.private_sha256, alone.scores) == (local.private_sha256, local.scores)


def test_without_mixing_single_steps_are_local_s_bit_for_bit(world: Any, tmp_path: Path) -> None:
    """Of several steps the later ones are held to where the round began, mixture or not."""
    local = world(batch_size=64).federate(Local(context_length=3), tmp_path / "local")
    alone = world(batch_size=64).federate(FedAMP(context_length=3, alpha=0.0), tmp_path / "fedamp")
    assert (alone.private_sha256, alone.scores) == (local.private_sha256, local.scores)
    mixed = world(batch_size=64).federate(METHOD, tmp_path / "mixed")
    assert mixed.private_sha256 != local.private_sha256


def test_the_pull_has_a_live_gradient_towards_the_cloud_context(world: Any) -> None:
    here, method = world(), FedAMP(context_length=3, attraction=0.7)
    cloud = contexts(1)[0]
    work = here.work(method, shared={"context": cloud})
    own = work.private["context"]

    def gradient(method: Any) -> Tensor:
        local = method.local(work)
        point = TrainingPoint(work, local.learner, {"context": own}, local.buffers, 0)
        return differentiate(point, work.batch(0), method.strategy.terms(local), 0)[1]["context"]

    difference = gradient(method) - gradient(Local(context_length=3))
    torch.testing.assert_close(difference, 0.7 * (own - cloud), rtol=1e-5, atol=1e-5)


def test_training_goes_on_from_the_client_s_own_context(world: Any) -> None:
    here, method = world(), FedAMP(context_length=3, attraction=0.0)
    far = here.work(method, shared={"context": contexts(1)[0]})
    near = here.work(method)
    assert torch.equal(method.train(far).upload["context"], method.train(near).upload["context"])
    result = method.train(near)
    assert torch.equal(result.upload["context"], result.private["context"])


def test_one_context_goes_up_and_one_down(world: Any, tmp_path: Path) -> None:
    world(clients=5, rounds=3, participation=0.4).federate(METHOD, tmp_path / "run")
    lines = read_lines(tmp_path / "run" / "wire.jsonl")
    assert all(line["tensors"] == {"context": [[3, 16], "float32"]} for line in lines if line["tensors"])
    assert {line["direction"] for line in lines if line["tensors"]} == {"up", "down"}


def test_it_says_that_it_reads_updates_and_refuses_gradients() -> None:
    assert METHOD.reads_updates
    assert not METHOD.personal
    (problem,) = FedAMP(synchronise="batch").problems()
    assert problem.startswith("synchronise: ")
